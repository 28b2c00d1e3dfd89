package nesting_test

import (
	"strings"
	"testing"

	"officiant/bundle/nesting"
)

func TestTooDeep(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		line int
	}{
		"empty":              {"", 0},
		"just allowed":       {"a: " + strings.Repeat("[", 4) + strings.Repeat("]", 4), 0},
		"brackets":           {"a: 1\nb: " + strings.Repeat("[", 5), 2},
		"braces and all":     {strings.Repeat("[{", 3), 1},
		"over several lines": {"[[\n[[\n[", 3},
		"closed in between":  {"[[[]]]\n[[[]]]\n", 0},
		"entries":            {"x\n" + strings.Repeat("- ", 5) + "x", 2},
		"keys":               {strings.Repeat("? ", 5), 1},
		"a long flat list":   {strings.Repeat("- x\n", 1000), 0},
	} {
		if got := nesting.TooDeep([]byte(c.text), 4); got != c.line {
			t.Errorf("%s: line %d, want %d", name, got, c.line)
		}
	}
}
