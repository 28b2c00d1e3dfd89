package exit

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"officiant/bundle/visible"
)

// Plain writes out what a terminal would act on: escape sequences, invisible
// characters, ones that turn the direction of writing, bytes that are not UTF-8.
// Names in files from elsewhere may hold such, to show a reader another verdict.
// Newlines and tabs stay.
func Plain(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == '\n' || r == '\t' || visible.Rune(r) && (r != utf8.RuneError || size > 1) {
			b.WriteString(s[i : i+size])
		} else {
			quoted := strconv.QuoteToASCII(s[i : i+size])
			b.WriteString(quoted[1 : len(quoted)-1])
		}
		i += size
	}
	return b.String()
}

// Line is Plain for text that must stay on one line: a newline in a token's label could
// otherwise add lines of its own.
func Line(s string) string {
	return spelled.Replace(Plain(s))
}

var spelled = strings.NewReplacer("\n", `\n`, "\t", `\t`)
