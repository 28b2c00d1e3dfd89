package exit

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Plain writes out what a terminal would act on: escape sequences, invisible
// characters, ones that turn the direction of writing, bytes that are not UTF-8.
// Names in files from elsewhere may hold such, to show a reader another verdict.
// Newlines and tabs stay.
func Plain(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == '\n' || r == '\t' || unicode.IsPrint(r) && (r != utf8.RuneError || size > 1) {
			b.WriteString(s[i : i+size])
		} else {
			quoted := strconv.QuoteToASCII(s[i : i+size])
			b.WriteString(quoted[1 : len(quoted)-1])
		}
		i += size
	}
	return b.String()
}
