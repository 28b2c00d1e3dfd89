package main

import (
	"flag"
	"io"
	"path/filepath"
	"testing"
	"time"

	"officiant/bundle/durable"
	"officiant/cmd/internal/commandtest"
)

var _ = flag.Bool("update", false, "write the screens anew")

// TestScreens holds what people see against testdata/screens: the help of every command,
// and what mistakes are answered with.
func TestScreens(t *testing.T) {
	screens, err := filepath.Abs("testdata/screens")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	main := map[string]string{
		"nowhere":  "status --listen unix:nowhere/socket",
		"no-grant": "verify journal.jsonl --grant grant.json --release-key release.pub",
		"no-flag":  "verify journal.jsonl",
		"unknown":  "server --grant grant.json",
	}
	now := time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)
	commandtest.Screens(t, screens, newRootCommand(&options{}), main, func(screen io.Writer, args []string) {
		o := &options{Stdout: screen, Stderr: screen, Disk: &durable.Disk{}, Now: func() time.Time { return now },
			Version: "test"}
		execute(t.Context(), o, args)
	})
}
