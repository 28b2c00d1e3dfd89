// Package visible tells which characters a reader sees. People compare names, by eye
// and aloud: a name with a character that nobody sees is another name that looks the
// same, and two people who are one.
//
// Seen are the characters that Unicode calls printable, and of spaces the plain one.
// Not seen are those that may be ignored when they are shown (Default_Ignorable_Code_Point:
// joiners, fillers, soft hyphens, tags, variation selectors), and a few that are
// printable and blank.
//
// That two characters look alike (a Latin and a Cyrillic a) is another matter, which
// this package does not tell.
package visible

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Rune says whether a reader sees that a character is there.
func Rune(r rune) bool {
	switch r {
	case '\u2800', '\U0001D159': // the blank of Braille, and of notes
		return false
	}
	return unicode.IsPrint(r) && !unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// Hidden is the first invisible character of a text; ok is true if there is none. Bytes
// that are not UTF-8 count as invisible.
func Hidden(text string) (r rune, ok bool) {
	if !utf8.ValidString(text) {
		return utf8.RuneError, false
	}
	i := strings.IndexFunc(text, func(r rune) bool { return !Rune(r) })
	if i < 0 {
		return 0, true
	}
	r, _ = utf8.DecodeRuneInString(text[i:])
	return r, false
}
