package main

import (
	"strings"
	"testing"
	"unicode/utf8"

	"rsc.io/qr"

	"officiant/bundle/fingerprint"
)

// TestQROnScreen reads every dot back from both drawings, and finds it in its
// place; both fit a console.
func TestQROnScreen(t *testing.T) {
	f := fingerprint.Of([]byte("head"))
	code, err := qr.Encode(strings.ToUpper(f.String()), qr.L)
	must(t, err)
	for _, c := range []struct {
		style        string
		lines, width int
		light        func(lines [][]rune, x, y int) bool
	}{
		{"blocks", 19, 37, func(lines [][]rune, x, y int) bool {
			dot := at(lines, x, y/2)
			return dot == '█' || y%2 == 0 && dot == '▀' || y%2 == 1 && dot == '▄'
		}},
		{"ascii", 37, 74, func(lines [][]rune, x, y int) bool { return at(lines, 2*x, y) == '#' && at(lines, 2*x+1, y) == '#' }},
	} {
		var out strings.Builder
		must(t, writeQR(&out, f, c.style))
		var lines [][]rune
		for line := range strings.Lines(out.String()) {
			lines = append(lines, []rune(strings.TrimSuffix(line, "\n")))
			if n := utf8.RuneCountInString(line) - 1; n > c.width {
				t.Errorf("%s: a line of %d columns", c.style, n)
			}
		}
		if len(lines) != c.lines {
			t.Errorf("%s: %d lines, want %d", c.style, len(lines), c.lines)
		}
		for y := range code.Size + 8 {
			for x := range code.Size + 8 {
				if want := !code.Black(x-4, y-4); c.light(lines, x, y) != want {
					t.Fatalf("%s: dot %d,%d is not %t\n%s", c.style, x, y, want, out.String())
				}
			}
		}
	}
	var out strings.Builder
	if must(t, writeQR(&out, f, "none")); out.Len() > 0 {
		t.Error("something was drawn")
	}
	if _, err := fingerprint.Parse(strings.ToUpper(f.String())); err != nil {
		t.Errorf("what a reader of the code gets is no fingerprint: %v", err)
	}
	if checkQR("png") == nil {
		t.Error("a style there is not is taken")
	}
}

func at(lines [][]rune, x, y int) rune {
	if y >= len(lines) || x >= len(lines[y]) {
		return ' '
	}
	return lines[y][x]
}
