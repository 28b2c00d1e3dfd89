package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"officiant/ceremony/ceremonytest"
	"officiant/ceremony/schedule"
	"officiant/cmd/internal/exit"
)

// TestPINPipe: a run that waits for a PIN in a FIFO ends when people stop it and, with
// somebody who writes each PIN once, goes on to the end.
func TestPINPipe(t *testing.T) {
	needSoftHSM(t)
	w := &wrongRoom{t, ceremonytest.New(t, ceremonytest.Shape{})}
	text, err := os.ReadFile(w.f.Station)
	must(t, err)
	lines := strings.Split(string(text), "\n")
	var pipes []string
	for i, line := range lines {
		if strings.Contains(line, w.pin()) {
			pipe := filepath.Join(w.f.Room, "pipe-"+string(rune('a'+len(pipes))))
			must(t, syscall.Mkfifo(pipe, 0o600))
			pipes = append(pipes, pipe)
			lines[i] = strings.Replace(line, w.pin(), pipe, 1)
		}
	}
	put(t, w.f.Station, strings.Join(lines, "\n"))
	if len(pipes) != 2 {
		t.Fatalf("%d PIN sources", len(pipes))
	}
	plan, err := schedule.Open(w.f.PlanFile, schedule.Options{Now: time.Now()})
	must(t, err)
	dir, state := filepath.Join(t.TempDir(), "ceremony"), t.TempDir()
	run := func(ctx context.Context) (int, string) {
		var said strings.Builder
		o := testOptions(t, &said)
		o.State = state
		code := execute(ctx, o, []string{"ceremony", "run", w.f.PlanFile, "--station", w.f.Station, "--dir", dir,
			"--confirm", plan.Digest.String()})
		return code, said.String()
	}

	ctx, stop := context.WithCancel(t.Context())
	go func() {
		defer stop()
		for ctx.Err() == nil { // until one of them is read
			for _, pipe := range pipes {
				if f, err := os.OpenFile(pipe, os.O_WRONLY|syscall.O_NONBLOCK, 0); err == nil {
					f.Close()
					return
				}
			}
			time.Sleep(time.Millisecond)
		}
	}()
	if code, said := run(ctx); code != exit.Interrupted {
		t.Fatalf("stopped while it waits: exit %d\n%s", code, said)
	}
	for _, pipe := range pipes {
		go func() { _ = os.WriteFile(pipe, []byte("1234\n"), 0o600) }() // it is open when it is read
	}
	if code, said := run(t.Context()); code != exit.Done {
		t.Errorf("with each PIN written once: exit %d\n%s", code, said)
	}
}
