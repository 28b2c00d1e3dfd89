package exit

import "testing"

func TestPlain(t *testing.T) {
	for in, want := range map[string]string{
		"":                            "",
		"cp-1: 2 findings\n\ta “b” …": "cp-1: 2 findings\n\ta “b” …",
		"a\x1b[2J\x1b[Hverdict":       `a\x1b[2J\x1b[Hverdict`,
		"a\rb\x00\u009b2J":            `a\rb\x00\u009b2J`,
		"\u202etxt.exe\u200b\ufeff":   `\u202etxt.exe\u200b\ufeff`,
		"\xff\xfe \ufffd":             `\xff\xfe` + " \ufffd",
		"a" + "\xc3" + "b\\x1b":       `a\xc3b\x1b`,
	} {
		if got := Plain(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}

func TestLine(t *testing.T) {
	if got, want := Line("box\n\tpin \x1b[2Jok"), `box\n\tpin \x1b[2Jok`; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
