package main

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"officiant/cmd/internal/terminal"
)

// TestHelpFits: every page of help fits on screens of 60, 80 and 120 columns, where
// no single word is wider, and says the same words as in a pipe.
func TestHelpFits(t *testing.T) {
	var paths [][]string
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		paths = append(paths, strings.Fields(c.CommandPath())[1:])
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(newRootCommand(&options{}))
	folded := 0
	for _, path := range paths {
		piped := help(t, path, "")
		for _, width := range []int{60, 80, 120} {
			page := help(t, path, fmt.Sprint(width))
			if page != piped {
				folded++
			}
			if got, want := words(page), words(piped); got != want {
				t.Errorf("%v at %d columns says something else:\n%s", path, width, page)
			}
			for line := range strings.Lines(page) {
				n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n"))
				if n > width && len(strings.Fields(line)) > 2 {
					t.Errorf("%v at %d columns: %d in %q", path, width, n, line)
				}
			}
		}
	}
	if len(paths) < 8 || folded == 0 {
		t.Errorf("%d pages of help, %d folded", len(paths), folded)
	}
}

// words leaves out what folding adds to a command.
func words(page string) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(page, " \\\n", "\n")), " ")
}

func help(t *testing.T, path []string, columns string) string {
	var out strings.Builder
	screen := terminal.NewScreen(&out, columns)
	o := &options{Stdout: screen, Stderr: screen, Now: time.Now}
	execute(t.Context(), o, append(path[:len(path):len(path)], "--help"))
	_ = screen.Flush()
	return out.String()
}
