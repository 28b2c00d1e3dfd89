package main

import (
	"strings"
	"testing"
	"time"

	"officiant/cmd/internal/commandtest"
	"officiant/cmd/internal/terminal"
)

func TestHelpFits(t *testing.T) {
	commandtest.HelpFits(t, newRootCommand(&options{}), func(args []string, columns string) string {
		var out strings.Builder
		screen := terminal.NewScreen(&out, columns)
		execute(t.Context(), &options{Stdout: screen, Stderr: screen, Now: time.Now}, args)
		_ = screen.Flush()
		return out.String()
	})
}
