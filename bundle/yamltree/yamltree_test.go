package yamltree

import (
	"fmt"
	"strings"
	"testing"

	"github.com/goccy/go-yaml/ast"
)

func lines(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

var tight = Limits{Bytes: 10_000, Depth: 6, Entries: 20, Keys: 100, Documents: 3}

// texts are read within tight limits, or refused.
func texts() []struct{ what, text, refused string } {
	return []struct{ what, text, refused string }{
		{"empty", "", ""},
		{"plain", "a: b\nc:\n- d: e\n  f: g\n- d: h\n", ""},
		{"many short mappings", "l:\n" + lines(40, "- a: %d\n  b: c\n"), ""},
		{"lists at their key's column", "a:\n- b\nc:\n- d\n", ""},
		{"mark", "\ufeffa: b\n", ""},

		{"size", strings.Repeat("#", 10_001), "1:1: has 10001 bytes, more than the 10000 that are read"},
		{"entries", lines(21, "k%d: 1\n"), "21:1: more than 20 entries in one mapping"},
		{"entries below", "a:\n" + lines(21, "  k%d: 1\n") + "b: c\n", "22:1: more than 20 entries in one mapping"},
		{"entries around lists", lines(21, "k%d:\n- a\n"), "41:1: more than 20 entries in one mapping"},
		{"entries in flow style", "a: {" + lines(21, "k%d: 1, ") + "}\n", "1:1: more than 20 entries in one mapping"},
		{"explicit keys", lines(21, "? k%d\n"), "more than 20 entries in one mapping"},
		{"keys", "l:\n" + lines(40, "- a: %d\n  b: c\n  d: e\n"), "keys in all"},
		{"empty entries", "a:\n" + strings.Repeat("-\n", 30), "more than 20 entries that are empty"},
		{"empty lines", "a: |\n" + strings.Repeat(" \r\n", 101) + "b: c\n",
			"102:1: more than 100 empty lines one after the other"},
		{"empty lines of returns", "a: |\n" + strings.Repeat("\r", 101), "more than 100 empty lines"},
		{"documents", strings.Repeat("---\na: b\n", 10), "more than 3 documents"},
		{"brackets", "a: [[[[[[[", "1:1: nested more than 6 deep"},
		{"dashes", "- - - - - - - a\n", "1:1: nested more than 6 deep"},
		{"indentation", "a:\n b:\n  c:\n   d:\n    e:\n     f:\n      g: h\n", "nested more than 6 deep"},
		{"UTF-16", "a\x00:\x00", "is UTF-16 without a byte order mark; save it as UTF-8"},
		{"UTF-16 with its mark", "\xff\xfea\x00", "1:1: is UTF-16; save it as UTF-8"},
		{"Latin-1", "a: b\n# \xe9\n", "line 2 is not UTF-8"},

		{"unclosed at the end", "a: \"x\nb: 1\n", "1:4: not YAML: could not find end character of double-quoted text"},
		{"unclosed, then a comment's apostrophe", "a: b\nc: 'x\nd: 1\n# what's this\ne: 2\n",
			"2:4: not YAML: the quote that opens here closes only in line 4"},
		{"unclosed, then another", "c: \"x\nd: 1\ne: \"y\"\n", "1:4: not YAML: the quote that opens here closes only in " +
			"line 3"},
		{"a quote of two lines is no cause", "a: \"x\n  y\"\nb: c: d\n",
			"3:4: not YAML: mapping value is not allowed in this context"},
		{"NUL at the end", "a: b\n\x00", "2:1: not YAML: the control character U+0000"},
		{"files put together", "a: b\n\ufeff---\nc: d\n", "2:1: not YAML: a byte order mark in the middle of the file"},
		{"a space that is none", "a: b\nc:\u00a0d\n", "2:3: not YAML: the character U+00A0, which looks like a space"},
		{"a tab", "a:\n\tb: c\n", "2:1: not YAML: a tab before the text; YAML indents with spaces alone"},
		{"a template", "a: b\nc: {{ d }}\n", "2:4: not YAML: a template's {{ … }} that is not filled in"},
		{"a conflict", "a: b\n<<<<<<< HEAD\nc: d\n", "2:1: not YAML: a conflict that version control left here"},
		{"such characters where they may be", "a: \"b\u00a0{{c}}\tx\"\n", ""},
		{"such characters above", "a: \"b\u00a0{{c}}\"\nb: c: d\n", "2:4: not YAML: mapping value is not allowed"},
		{"such characters in the line", "b: \"\u00a0{{c}}\": d\n", "not YAML: mapping"},
		{"a line that is quoted", "a: | " + strings.Repeat("| ", 400) + "\n", "…"},
		{"twice", "a: b\na: c\n", `2:1: mapping key "a" is there already, in line 1`},
	}
}

func TestParse(t *testing.T) {
	for _, row := range texts() {
		file, err := Parse([]byte(row.text), tight)
		switch {
		case row.refused == "" && (err != nil || file == nil):
			t.Errorf("%s: %v", row.what, err)
		case row.refused != "" && (err == nil || !strings.Contains(err.Error(), row.refused)):
			t.Errorf("%s: %v, want %s", row.what, err, row.refused)
		}
	}
}

// TestColons holds the parser's reading of colons against YAML's.
func TestColons(t *testing.T) {
	for text, want := range map[string]string{
		"{a: [::1, fd00::a, fd00::10, 2001:db8::1, b]}": "::1 fd00::a fd00::10 2001:db8::1 b",
		"{a: [http://x.test:80/y, c:d:e]}":              "http://x.test:80/y c:d:e",
		`{"a":["b", "c"]}`:                              "b c",
		"{a: [{b: c}, {\"d\":\"e\"}]}":                  "c e",
		"a: [::1, fd00::a]":                             "::1 fd00::a",
		"{a: [10:30, 1:2]}":                             "10:30 1:2",
		"{a: [é::1, é]}":                                "é::1 é",
		"{a: [b, ::], c: [d]}":                          "b :: d",
		"{a: [b , :: , c]}":                             "b :: c",
	} {
		file, bad := Parse([]byte(text), Small)
		if bad != nil {
			t.Errorf("%s: %v", text, bad)
			continue
		}
		var got []string
		var v ast.Visitor
		v = visit(func(n ast.Node) {
			if m, ok := n.(*ast.MappingValueNode); ok {
				if s, ok := m.Value.(*ast.StringNode); ok {
					got = append(got, s.Value)
				}
			}
			if l, ok := n.(*ast.SequenceNode); ok {
				for _, e := range l.Values {
					if s, ok := e.(*ast.StringNode); ok {
						got = append(got, s.Value)
					}
				}
			}
		})
		ast.Walk(v, file.Docs[0].Body)
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %q, want %s", text, got, want)
		}
	}
}

type visit func(ast.Node)

func (v visit) Visit(n ast.Node) ast.Visitor { v(n); return v }
