package main

import (
	"io"
	"testing"
	"time"

	"officiant/cmd/internal/commandtest"
)

func TestHelpFits(t *testing.T) {
	commandtest.HelpFits(t, newRootCommand(&options{}), func(screen io.Writer, args []string) {
		execute(t.Context(), &options{Stdout: screen, Stderr: screen, Now: time.Now}, args)
	})
}
