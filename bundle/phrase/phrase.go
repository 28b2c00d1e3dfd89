// Package phrase puts numbers and names into words, as a person would say them.
package phrase

import (
	"fmt"
	"strings"
)

// Count is a number and what it counts: "1 bundle", "2 bundles".
func Count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// List joins names: "a", "a and b", "a, b and c".
func List(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " and " + names[last]
}
