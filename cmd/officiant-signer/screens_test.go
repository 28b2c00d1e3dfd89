package main

import (
	"flag"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"officiant/bundle/durable"
	"officiant/cmd/internal/commandtest"
	"officiant/cmd/internal/terminal"
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
	commandtest.Screens(t, screens, newRootCommand(&options{}), main, func(args []string, columns string) string {
		var out strings.Builder
		screen := terminal.NewScreen(&out, columns)
		o := &options{Stdout: screen, Stderr: screen, Disk: &durable.Disk{}, Now: func() time.Time { return now },
			Version: "test"}
		execute(t.Context(), o, args)
		if err := screen.Flush(); err != nil {
			t.Fatal(err)
		}
		return out.String()
	})
}
