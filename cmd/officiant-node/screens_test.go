package main

import (
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"officiant/bundle/durable"
	"officiant/cmd/internal/commandtest"
)

// TestScreens holds what people see against testdata/screens: the help of every command,
// and what verify says of a bundle.
func TestScreens(t *testing.T) {
	screens, err := filepath.Abs("testdata/screens")
	if err != nil {
		t.Fatal(err)
	}
	pack, err := filepath.Abs("../../ceremony/audit/testdata/written/first.tar.gz")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(commandtest.Written(t, pack))
	key, err := filepath.Glob("ceremony/release*.pub")
	if err != nil || len(key) != 1 {
		t.Fatal(key, err)
	}
	main := map[string]string{
		"verify":       "verify ceremony/bundles/cp-1 --release-key " + key[0],
		"verify-alone": "verify ceremony/bundles/cp-1",
		"status":       "status --root empty",
		"unknown":      "instal ceremony/bundles/cp-1",
	}
	now := time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)
	commandtest.Screens(t, screens, newRootCommand(&options{}), main, func(screen io.Writer, args []string) {
		o := &options{Stdin: strings.NewReader(""), Stdout: screen, Stderr: screen, Disk: &durable.Disk{},
			Now: func() time.Time { return now }, Version: "test"}
		execute(t.Context(), o, args)
	})
}
