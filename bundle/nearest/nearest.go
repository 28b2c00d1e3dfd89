package nearest

import (
	"fmt"
	"iter"
	"strings"
	"unicode/utf8"
)

// maxLength is more than any name has that is compared; longer ones are nobody's slip.
const maxLength = 64

// Name returns the known name nearest to one that is not known.
func Name(name string, known iter.Seq[string]) (string, bool) {
	if len(name) > maxLength || name == "" {
		return "", false
	}
	best, found, tie := 2*allowed(name)+2, "", false
	for k := range known {
		if k == name || len(k) > maxLength {
			continue
		}
		d := 0
		if !strings.EqualFold(k, name) {
			d = slips([]rune(strings.ToLower(name)), []rune(strings.ToLower(k)))
			if d = 2 * max(d, 1); !sameBeginning(k, name) {
				d++ // of two that are as near, the one that begins alike: few slip at the first letter
			}
		}
		switch {
		case d < best:
			best, found, tie = d, k, false
		case d == best && k != found:
			tie = true
		}
	}
	return found, found != "" && !tie
}

func sameBeginning(a, b string) bool {
	x, _ := utf8.DecodeRuneInString(strings.ToLower(a))
	y, _ := utf8.DecodeRuneInString(strings.ToLower(b))
	return x == y
}

// Hint is "; did you mean NAME?", or nothing when no known name is near.
func Hint(name string, known iter.Seq[string]) string {
	if k, ok := Name(name, known); ok {
		return fmt.Sprintf("; did you mean %s?", k)
	}
	return ""
}

// Among is Hint for a value of a few that there are.
func Among[T ~string](value T, known ...T) string {
	return Hint(string(value), func(yield func(string) bool) {
		for _, k := range known {
			if !yield(string(k)) {
				return
			}
		}
	})
}

func allowed(name string) int {
	n := utf8.RuneCountInString(name)
	if n <= 4 {
		return 1
	}
	return min(n/3, 3)
}

// slips is the optimal string alignment distance of a and b.
func slips(a, b []rune) int {
	before := make([]int, len(b)+1) // two rows up
	last := make([]int, len(b)+1)
	row := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			wrong := last[j-1]
			if a[i-1] != b[j-1] {
				wrong++
			}
			row[j] = min(wrong, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
