package visible

import (
	"testing"
	"unicode/utf8"
)

func TestHidden(t *testing.T) {
	for text, want := range map[string]rune{
		"":                    0,
		"Kim Doe":             0,
		"Çelik Ünal, 東京":      0,
		"Kim\u200bDoe":        '\u200b',
		"Kim\u00adDoe":        '\u00ad',
		"\u3164":              '\u3164',
		"a\u2800":             '\u2800',
		"a\U0001d159":         '\U0001d159',
		"a\ufe0f":             '\ufe0f',
		"a\u034fb":            '\u034f',
		"a\u00a0b":            '\u00a0',
		"a\U000e0041":         '\U000e0041',
		"\u202etxt.exe":       '\u202e',
		"a\nb":                '\n',
		"a\xffb":              utf8.RuneError,
		"a\u1160\uffa0\u115f": '\u1160',
	} {
		got, ok := Hidden(text)
		if got != want || ok != (want == 0) {
			t.Errorf("%q: %U, %v, want %U", text, got, ok, want)
		}
	}
}
