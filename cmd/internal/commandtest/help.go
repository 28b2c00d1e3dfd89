package commandtest

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// Each calls do for a command and all below it, with the words behind the program's name.
func Each(c *cobra.Command, do func(c *cobra.Command, path []string)) {
	do(c, strings.Fields(c.CommandPath())[1:])
	for _, sub := range c.Commands() {
		Each(sub, do)
	}
}

// HelpFits wants every page of help to fit on screens of 60, 80 and 120 columns, where
// no single word is wider, and to say the same words as in a pipe.
func HelpFits(t *testing.T, root *cobra.Command, run Run) {
	t.Helper()
	pages, folded := 0, 0
	Each(root, func(_ *cobra.Command, path []string) {
		pages++
		args := append(path[:len(path):len(path)], "--help")
		piped := run.show(t, args, "")
		for _, width := range []int{60, 80, 120} {
			page := run.show(t, args, fmt.Sprint(width))
			if page != piped {
				folded++
			}
			if words(page) != words(piped) {
				t.Errorf("%v at %d columns says something else:\n%s", path, width, page)
			}
			for _, line := range TooWide(page, width) {
				t.Errorf("%v at %d columns: %q", path, width, line)
			}
		}
	})
	if pages < 5 || folded == 0 {
		t.Errorf("%d pages of help, %d folded", pages, folded)
	}
}

// TooWide are the lines that are wider than a screen and have a place to be folded at. A
// digest or a path is never parted, so one that ends a line may reach beyond.
func TooWide(page string, width int) (lines []string) {
	for line := range strings.Lines(page) {
		line = strings.TrimSuffix(line, "\n")
		parts := strings.Fields(line)
		if utf8.RuneCountInString(line) > width && len(parts) > 2 && len(parts[len(parts)-1]) < width/2 {
			lines = append(lines, line)
		}
	}
	return lines
}

// words leaves out what folding adds to a command.
func words(page string) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(page, " \\\n", "\n")), " ")
}
