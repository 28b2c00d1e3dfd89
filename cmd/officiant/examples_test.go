package main

import (
	"io"
	"path/filepath"
	"testing"

	"github.com/spf13/cobra"

	"officiant/cmd/internal/commandtest"
)

func TestExamples(t *testing.T) {
	commandtest.Examples(t, func() *cobra.Command {
		return newRootCommand(&options{Stdout: io.Discard, Stderr: io.Discard})
	}, len(examples))
}

// TestNamedCommands: what a message, a page or a screen has people type is a command
// of this program, and a test types it.
func TestNamedCommands(t *testing.T) {
	commandtest.Named(t, func() *cobra.Command {
		return newRootCommand(&options{Stdout: io.Discard, Stderr: io.Discard})
	}, filepath.Join("..", ".."), 100)
}
