package main

import (
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"officiant/cmd/internal/commandtest"
)

func TestHelpFits(t *testing.T) {
	commandtest.HelpFits(t, newRootCommand(&options{}), func(screen io.Writer, args []string) {
		execute(t.Context(), &options{Stdout: screen, Stderr: screen, Now: time.Now}, args)
	})
}

func TestExamples(t *testing.T) {
	commandtest.Examples(t, func() *cobra.Command {
		return newRootCommand(&options{Stdout: io.Discard, Stderr: io.Discard})
	}, len(examples))
}

// TestSignGrant: people compare the digest before the release key signs.
func TestSignGrant(t *testing.T) {
	r := newRoom(t)
	data, err := r.grant.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	r.write("new.json", data, 0o644)
	args := []string{"sign-grant", r.path("new.json"), "--station", r.path("station.yaml")}
	_, errs := r.typed(6, args...)
	_, digest, _ := strings.Cut(errs, "digest ")
	digest, _, _ = strings.Cut(digest, "\n")
	if !strings.Contains(errs, "2 nodes, 1 of them by a bootstrap user once; 1 users") || len(digest) != 64 {
		t.Fatalf("what is shown:\n%s", errs)
	}
	r.typed(2, append(args, "--confirm", strings.Repeat("0", 64))...)
	out, _ := r.typed(0, append(args, "--confirm", digest)...)
	if !strings.Contains(out, "BEGIN PUBLIC KEY") {
		t.Errorf("the key that signed:\n%s", out)
	}
	r.typed(2, append(args, "--confirm", digest)...) // nothing is overwritten
	_, errs = r.typed(1, "serve", "--grant", r.path("new.json"), "--release-key", r.path("release.pub"), "--station",
		r.path("station.yaml"), "--journal", r.path("none/journal.jsonl"), "--listen", "unix:"+r.path("none/s"))
	if !strings.Contains(errs, "none/s") {
		t.Errorf("a socket in a folder that is not there: %s", errs)
	}
}

// TestNamedCommands: what a message, a page or a screen has people type is a command
// of this program, and a test types it.
func TestNamedCommands(t *testing.T) {
	commandtest.Named(t, func() *cobra.Command {
		return newRootCommand(&options{Stdout: io.Discard, Stderr: io.Discard})
	}, filepath.Join("..", ".."), 5)
}
