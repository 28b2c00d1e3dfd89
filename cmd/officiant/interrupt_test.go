package main

import (
	"bytes"
	"context"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"officiant/bundle/durable"
	"officiant/cmd/internal/exit"
	"officiant/cmd/internal/interrupt"
)

// TestInterrupted: a signal ends a command that reads where it is, also in a FIFO
// that nobody writes to.
func TestInterrupted(t *testing.T) {
	signalled := func() context.Context {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(50*time.Millisecond, cancel)
		return ctx
	}
	var said bytes.Buffer
	o := &options{Stdout: &said, Stderr: &said, Now: time.Now, guard: &interrupt.Guard{}, Disk: &durable.Disk{}}
	fifo := filepath.Join(t.TempDir(), "station.yaml")
	must(t, syscall.Mkfifo(fifo, 0o600))
	for _, args := range [][]string{
		{"doctor", "--station", fifo},
		{"doctor", "--station", fifo, "-o", "json"},
	} {
		o.guard = &interrupt.Guard{}
		ctx, began := signalled(), time.Now()
		code := o.guard.Run(ctx, "officiant", &said, func() int { return execute(ctx, o, args) })
		if code != exit.Interrupted {
			t.Errorf("%q: exit %d: %s", args, code, said.String())
		}
		if took := time.Since(began); took > time.Minute { // or never
			t.Errorf("%q: took %s", args, took)
		}
	}
}
