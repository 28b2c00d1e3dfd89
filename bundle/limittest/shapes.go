package limittest

import (
	"fmt"
	"strings"
)

// repeat makes text of up to size bytes of numbered pieces.
func repeat(size int, piece func(i int) string) string {
	var b strings.Builder
	for i := 0; ; i++ {
		p := piece(i)
		if b.Len()+len(p) > size {
			return b.String()
		}
		b.WriteString(p)
	}
}

// Shape makes a text. A case of a test runs in a process of its own, which makes the
// one text that it reads.
type Shape func() string

// of is up to size bytes of pieces between a beginning and an end.
func of(begin string, size int, piece func(i int) string, end string) Shape {
	return func() string { return begin + repeat(size, piece) + end }
}

func always(s string) func(int) string { return func(int) string { return s } }

func numbered(format string) func(int) string {
	return func(i int) string { return fmt.Sprintf(format, i) }
}

// YAML returns texts of up to size bytes by what they consist of. room is kept free
// in each for what a caller puts around it.
func YAML(size, room int) map[string]Shape {
	n := size - room - 16
	return map[string]Shape{
		"keys":               of("", n, numbered("k%d: 1\n"), ""),
		"keys of flow style": of("a: {", n, numbered("k%d: 1,"), "}\n"),
		"explicit keys":      of("", n, numbered("? k%d\n: b\n"), ""),
		"keys with anchors": of("", n, func(i int) string {
			return fmt.Sprintf("&%s k%d: 1\n", strings.Repeat("a", 1+i%9), i)
		}, ""),
		"merge keys":           of("", n, always("<<: a\n"), ""),
		"list":                 of("", n, always("- a\n"), ""),
		"list of flow style":   of("a: [", n, always("a,"), "]\n"),
		"list of mappings":     of("", n, always("- {a: b, c: d}\n"), ""),
		"list of blocks":       of("", n, always("- a: b\n  c: d\n"), ""),
		"documents":            of("", n, always("---\na: b\n"), ""),
		"ends of documents":    of("", n, always("...\n"), ""),
		"comments":             of("", n, always("# a\n"), "a: b\n"),
		"comments in a list":   of("", n, always("# a\n- b\n"), ""),
		"comments between":     of("", n, numbered("# a\nk%d: b\n"), ""),
		"empty lines":          of("a:\n", n, always("\n"), "  b: c\n"),
		"carriage returns":     of("", n, always("\r"), ""),
		"tabs":                 of("", n, always("\t"), ""),
		"spaces":               of("", n, always(" "), "a"),
		"plain of many lines":  of("a: b\n", n, always(" b\n"), ""),
		"plain of many words":  of("a: ", n, always("x "), ""),
		"quoted escapes":       of("a: \"", n, always("\\n"), "\"\n"),
		"quoted lines":         of("a: \"", n, always("x\n  "), "\"\n"),
		"single quotes":        of("a: '", n, always("''"), "'\n"),
		"quotes of a letter":   of("", n, always("- 'a'\n"), ""),
		"quotes that stay":     of("", n, numbered("k%d: \"x\n"), ""),
		"block that keeps":     of("a: |\n", n, always("  x\n"), ""),
		"block that folds":     of("a: >\n", n, always("  x\n"), ""),
		"blocks":               of("", n, always("- |\n  a\n"), ""),
		"empty blocks":         of("", n, always("a: |\n"), ""),
		"blocks, empty lines":  of("", n, always("- |\n  x"+strings.Repeat("\n", 100)), ""),
		"block, empty lines":   of("a: |\n  "+strings.Repeat("x", n/2)+"\n", n/2-8, always("\n"), ""),
		"block, blank lines":   of("a: |\n", n, always(" \n"), ""),
		"block, returns":       of("a: |\n", n, always("\r"), ""),
		"anchors":              of("", n, numbered("- &a%d b\n"), ""),
		"aliases":              of("- &a b\n", n, always("- *a\n"), ""),
		"tags":                 of("", n, always("- !!str b\n"), ""),
		"colons":               of("", n, always(":"), ""),
		"colons with spaces":   of("", n, always(": "), ""),
		"commas":               of("[", n, always(","), ""),
		"dashes":               of("", n, always("-\n"), ""),
		"stars":                of("", n, always("* "), ""),
		"exclamations":         of("", n, always("! "), ""),
		"hashes":               of("a: b", n, always(" #"), ""),
		"brackets":             of("", n, always("[\n"), ""),
		"brackets that close":  of("", n, always("[]\n"), ""),
		"growing indentation":  of("", n, func(i int) string { return strings.Repeat(" ", i) + "k:\n" }, ""),
		"lists in each other":  of("", n, func(i int) string { return strings.Repeat(" ", i) + "-\n" }, ""),
		"letters of two bytes": of("a: ", n, always("é"), ""),
		"numbers":              of("a: ", n, always("9"), ""),
		"numbers in a list":    of("", n, always("- 0x1\n"), ""),
		"times":                of("", n, always("- 2026-11-29\n"), ""),
		"directives":           of("", n, always("%YAML 1.2\n"), ""),
	}
}
