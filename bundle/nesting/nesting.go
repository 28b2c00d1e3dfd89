// Package nesting keeps YAML that is nested without end away from the parser,
// whose time and memory grow with the square of the depth: brackets that fill
// a screen would stop it for minutes, a few hundred kilobytes for hours.
package nesting

import "bytes"

// TooDeep returns the line, from 1, at which flow or one-line nesting passes
// limit; 0 when none does. The count is rough, by line, and sees brackets in
// quotes too: limit has to be well above what an honest file needs.
func TooDeep(data []byte, limit int) (line int) {
	depth := 0
	for text := range bytes.Lines(data) {
		line++
		depth += bytes.Count(text, []byte("[")) + bytes.Count(text, []byte("{"))
		entries := bytes.Count(text, []byte("- ")) + bytes.Count(text, []byte("? "))
		if depth > limit || entries > limit {
			return line
		}
		depth = max(0, depth-bytes.Count(text, []byte("]"))-bytes.Count(text, []byte("}")))
	}
	return 0
}
