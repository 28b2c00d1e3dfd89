package yamltree

import (
	"path/filepath"
	"strings"
	"testing"

	"officiant/bundle/refusaltest"
)

// near are texts that are like one that is refused, by its name in texts, and are taken.
var near = map[string]string{
	"size":                  strings.Repeat("#", 10_000),
	"entries":               lines(20, "k%d: 1\n"),
	"entries in flow style": "a: {" + lines(20, "k%d: 1, ") + "}\n",
	"keys":                  "l:\n" + lines(30, "- a: %d\n  b: c\n  d: e\n"),
	"empty entries":         "a:\n" + strings.Repeat("-\n", 20),
	"empty lines":           "a: |\n  b\n" + strings.Repeat(strings.Repeat(" \r\n", 100)+"# c\n", 3),
	"documents":             strings.Repeat("---\na: b\n", 3),
	"brackets":              "a: [[[[[b]]]]]\n",
	"dashes":                "- - - - - a\n",
	"UTF-16 with its mark":  "\ufeffa: b\n",
	"Latin-1":               "a: b\n# é\n",
	"unclosed at the end":   "a: 'it''s'\nb: 1\n",
	"NUL at the end":        "a: b\n# \\x00\n",
	"files put together":    "---\na: b\n---\nc: d\n",
	"a space that is none":  "a: b\nc: d\u00a0e\n",
	"a tab":                 "a:\n  b: c\t# d\n",
	"a template":            "a: b\nc: '{{ d }}'\n",
	"a conflict":            "a: b\n# <<<<<<< HEAD\nc: d\n",
	"twice":                 "a: b\nc: {a: d}\n",
}

// TestReasons is the catalogue of what a YAML text is refused with.
func TestReasons(t *testing.T) {
	read := func(data []byte) error {
		if _, bad := Parse(data, tight); bad != nil {
			return bad
		}
		return nil
	}
	rows := []refusaltest.Row{{Of: "none of its lines closes it", Data: "c: \"x\nd: 1\ne: \"y\"\n",
		Says: "it seems to end nowhere in its own line", Not: "c: \"x\n  d\"\ne: \"y\"\n"}}
	for _, text := range texts() {
		row := refusaltest.Row{Of: text.what, Data: text.text, Says: text.refused}
		if text.refused != "" {
			row.Not = "a: b\n"
		}
		if n, ok := near[text.what]; ok {
			row.Not = n
		}
		rows = append(rows, row)
	}
	sources, err := filepath.Glob("[a-z]*[a-z].go")
	if err != nil {
		t.Fatal(err)
	}
	refusaltest.Hold(t, refusaltest.Table{Read: read, Rows: rows, Sources: without(sources, "_test.go"),
		Except: map[string]string{
			"UTF-8 with a byte order mark": "the name of a charset, which is taken",
			" already defined at [":        "the parser's words, which are put in others",
		}})
}

func without(files []string, end string) (out []string) {
	for _, f := range files {
		if !strings.HasSuffix(f, end) {
			out = append(out, f)
		}
	}
	return out
}
