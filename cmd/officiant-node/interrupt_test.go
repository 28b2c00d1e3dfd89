package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"officiant/bundle/durable"
	"officiant/cmd/internal/exit"
	"officiant/cmd/internal/interrupt"
)

// TestInterrupted: a signal ends verify and status wherever they are, here at a clock
// that never answers; what writes comes to an end by itself.
func TestInterrupted(t *testing.T) {
	bundle := "../../bundle/testdata/format-6/cp-1"
	for _, args := range [][]string{{"verify", bundle}, {"status", "--root", t.TempDir()}} {
		ctx, cancel := context.WithCancel(t.Context())
		var said bytes.Buffer
		asked := make(chan struct{})
		o := &options{Stdout: &bytes.Buffer{}, Stderr: &said, Disk: &durable.Disk{}, guard: &interrupt.Guard{},
			Now: func() time.Time { close(asked); select {} }}
		go func() { <-asked; cancel() }()
		code := o.guard.Run(ctx, "officiant-node", &said, func() int { return execute(ctx, o, args) })
		if cancel(); code != exit.Interrupted || !strings.Contains(said.String(), "interrupted") {
			t.Errorf("%q: exit %d: %s", args, code, said.String())
		}
	}
}

// TestReaders: each command that a signal may cut short is one.
func TestReaders(t *testing.T) {
	root := newRootCommand(&options{})
	for name := range readers {
		c, rest, err := root.Find(strings.Fields(name)[1:])
		if err != nil || len(rest) > 0 || c.CommandPath() != name {
			t.Errorf("%s: %v", name, err)
		}
	}
}
