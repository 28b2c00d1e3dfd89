package main

import (
	"bytes"
	"context"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"officiant/bundle/durable"
	"officiant/cmd/internal/exit"
)

// TestInterrupted: a signal ends a command that reads where it is, also in a FIFO
// that nobody writes to; what has to come to an end does, and gives its own code.
func TestInterrupted(t *testing.T) {
	signalled := func() context.Context {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(50*time.Millisecond, cancel)
		return ctx
	}
	var said bytes.Buffer
	o := &options{Stdout: &said, Stderr: &said, Now: time.Now, busy: &sync.RWMutex{}, Disk: &durable.Disk{}}
	fifo := filepath.Join(t.TempDir(), "station.yaml")
	must(t, syscall.Mkfifo(fifo, 0o600))
	for _, args := range [][]string{
		{"doctor", "--station", fifo},
		{"doctor", "--station", fifo, "-o", "json"},
	} {
		o.busy = &sync.RWMutex{}
		ctx, began := signalled(), time.Now()
		if code := o.interruptible(ctx, func() int { return execute(ctx, o, args) }); code != exit.Interrupted {
			t.Errorf("%q: exit %d: %s", args, code, said.String())
		}
		if took := time.Since(began); took > time.Minute { // or never
			t.Errorf("%q: took %s", args, took)
		}
	}
	o.busy = &sync.RWMutex{}
	code := o.interruptible(signalled(), func() int {
		defer o.finishes()()
		time.Sleep(grace + time.Second/2)
		return 42
	})
	if code != 42 {
		t.Errorf("what had to come to an end was cut short: exit %d", code)
	}
	o.busy = &sync.RWMutex{}
	ctx := signalled()
	if code := o.interruptible(ctx, func() int { <-ctx.Done(); return 7 }); code != 7 {
		t.Errorf("a command that heeds the signal ended with %d", code)
	}
}
