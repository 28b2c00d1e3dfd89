package commandtest

import (
	"io"
	"strings"
	"testing"

	"officiant/cmd/internal/terminal"
)

// Run types a command line of a program that writes to screen.
type Run func(screen io.Writer, args []string)

// show is all that appears on a screen of so many columns; "" is a pipe.
func (run Run) show(t *testing.T, args []string, columns string) string {
	t.Helper()
	var out strings.Builder
	screen := terminal.NewScreen(&out, columns)
	run(screen, args)
	if err := screen.Flush(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}
