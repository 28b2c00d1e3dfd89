package main

import (
	"io"
	"testing"

	"github.com/spf13/cobra"

	"officiant/cmd/internal/commandtest"
)

func TestExamples(t *testing.T) {
	commandtest.Examples(t, func() *cobra.Command {
		return newRootCommand(&options{Stdout: io.Discard, Stderr: io.Discard})
	}, len(examples))
}
