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

func always(s string) func(int) string { return func(int) string { return s } }

func numbered(format string) func(int) string {
	return func(i int) string { return fmt.Sprintf(format, i) }
}

// YAML returns texts of up to size bytes by what they consist of. room is kept free
// in each for what a caller puts around it.
func YAML(size, room int) map[string]string {
	n := size - room - 16
	return map[string]string{
		"keys":               repeat(n, numbered("k%d: 1\n")),
		"keys of flow style": "a: {" + repeat(n, numbered("k%d: 1,")) + "}\n",
		"explicit keys":      repeat(n, numbered("? k%d\n: b\n")),
		"keys with anchors": repeat(n, func(i int) string {
			return fmt.Sprintf("&%s k%d: 1\n", strings.Repeat("a",
				1+i%9), i)
		}),
		"merge keys":           repeat(n, always("<<: a\n")),
		"list":                 repeat(n, always("- a\n")),
		"list of flow style":   "a: [" + repeat(n, always("a,")) + "]\n",
		"list of mappings":     repeat(n, always("- {a: b, c: d}\n")),
		"list of blocks":       repeat(n, always("- a: b\n  c: d\n")),
		"documents":            repeat(n, always("---\na: b\n")),
		"ends of documents":    repeat(n, always("...\n")),
		"comments":             repeat(n, always("# a\n")) + "a: b\n",
		"comments in a list":   repeat(n, always("# a\n- b\n")),
		"comments between":     repeat(n, numbered("# a\nk%d: b\n")),
		"empty lines":          "a:\n" + repeat(n, always("\n")) + "  b: c\n",
		"carriage returns":     repeat(n, always("\r")),
		"tabs":                 repeat(n, always("\t")),
		"spaces":               repeat(n, always(" ")) + "a",
		"plain of many lines":  "a: b\n" + repeat(n, always(" b\n")),
		"plain of many words":  "a: " + repeat(n, always("x ")),
		"quoted escapes":       "a: \"" + repeat(n, always("\\n")) + "\"\n",
		"quoted lines":         "a: \"" + repeat(n, always("x\n  ")) + "\"\n",
		"single quotes":        "a: '" + repeat(n, always("''")) + "'\n",
		"quotes of a letter":   repeat(n, always("- 'a'\n")),
		"quotes that stay":     repeat(n, numbered("k%d: \"x\n")),
		"block that keeps":     "a: |\n" + repeat(n, always("  x\n")),
		"block that folds":     "a: >\n" + repeat(n, always("  x\n")),
		"blocks":               repeat(n, always("- |\n  a\n")),
		"empty blocks":         repeat(n, always("a: |\n")),
		"anchors":              repeat(n, numbered("- &a%d b\n")),
		"aliases":              "- &a b\n" + repeat(n, always("- *a\n")),
		"tags":                 repeat(n, always("- !!str b\n")),
		"colons":               repeat(n, always(":")),
		"colons with spaces":   repeat(n, always(": ")),
		"commas":               "[" + repeat(n, always(",")),
		"dashes":               repeat(n, always("-\n")),
		"stars":                repeat(n, always("* ")),
		"exclamations":         repeat(n, always("! ")),
		"hashes":               "a: b" + repeat(n, always(" #")),
		"brackets":             repeat(n, always("[\n")),
		"brackets that close":  repeat(n, always("[]\n")),
		"growing indentation":  repeat(n, func(i int) string { return strings.Repeat(" ", i) + "k:\n" }),
		"lists in each other":  repeat(n, func(i int) string { return strings.Repeat(" ", i) + "-\n" }),
		"letters of two bytes": "a: " + repeat(n, always("é")),
		"numbers":              "a: " + repeat(n, always("9")),
		"numbers in a list":    repeat(n, always("- 0x1\n")),
		"times":                repeat(n, always("- 2026-11-29\n")),
		"directives":           repeat(n, always("%YAML 1.2\n")),
	}
}
