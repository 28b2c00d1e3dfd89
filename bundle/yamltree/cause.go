package yamltree

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"
)

// cause finds what parsers stumble on and do not name: characters that look like
// nothing, and what templates and version control leave in a file. line is where the
// parser gave up; nil when nothing above it explains that.
func cause(data []byte, line int) *Error {
	n := 0
	for text := range bytes.Lines(data) {
		if n++; n > line {
			return nil
		}
		s := strings.TrimRight(string(text), "\r\n")
		if n == 1 {
			s = strings.TrimPrefix(s, "\ufeff")
		}
		if e := invisible(s, n, n == line); e != nil {
			return e
		}
		if n == line {
			return remnant(s, n)
		}
	}
	return nil
}

// invisible finds a character that no YAML file has, or, in the line that is refused,
// one that looks like a space and is none. It passes over the line once: a line may be
// the whole file.
func invisible(s string, line int, refused bool) *Error {
	column, begun := 0, false // begun: text stands before this character
	var double, single bool   // a quote of this kind is open
	for _, r := range s {
		column++
		switch {
		case r == '\ufeff':
			return fail(line, column, "not YAML: a byte order mark in the middle of the file, as files have "+
				"that were put together; take it out")
		case r < ' ' && r != '\t', r == 0x7f, r > 0x7f && r < 0xa0 && r != 0x85, r == '\ufffe', r == '\uffff':
			return fail(line, column, "not YAML: the control character U+%04X, which is in no text; take it out", r)
		case refused && !double && !single && looksLikeSpace(r):
			return fail(line, column, "not YAML: the character U+%04X, which looks like a space and is none; "+
				"type a space", r)
		case refused && r == '\t' && !begun:
			return fail(line, column, "not YAML: a tab before the text; YAML indents with spaces alone")
		}
		begun = begun || !strings.ContainsRune(" \t-", r)
		double, single = double != (r == '"'), single != (r == '\'')
	}
	return nil
}

func looksLikeSpace(r rune) bool {
	return r == 0xa0 || r == '\u3000' || r >= '\u2000' && r <= '\u200b' || r == '\u202f'
}

// quotes says whether a quote is open at the end of a line's beginning.
func quotes(s string) bool {
	return strings.Count(s, `"`)%2 != 0 || strings.Count(s, "'")%2 != 0
}

// remnant finds what is not filled in, or not merged, in the line that is refused.
func remnant(s string, line int) *Error {
	for _, mark := range []string{"<<<<<<< ", "=======", ">>>>>>> "} {
		if strings.HasPrefix(s, mark) {
			return fail(line, 1, "not YAML: a conflict that version control left here is not solved")
		}
	}
	for open, end := range map[string]string{"{{": "}}", "{%": "%}"} {
		if i := strings.Index(s, open); i >= 0 && !quotes(s[:i]) && strings.Contains(s[i:], end) {
			what := fmt.Sprintf("not YAML: a template's %s … %s that is not filled in", open, end)
			return fail(line, utf8.RuneCountInString(s[:i])+1, "%s", what)
		}
	}
	return nil
}
