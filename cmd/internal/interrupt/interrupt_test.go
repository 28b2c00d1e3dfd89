package interrupt

import (
	"bytes"
	"context"
	"testing"
	"time"

	"officiant/cmd/internal/exit"
)

// TestRun: a signal ends a command that reads where it is; what has to come to an end
// does, and gives its own code.
func TestRun(t *testing.T) {
	signalled := func() context.Context {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(20*time.Millisecond, cancel)
		return ctx
	}
	var said bytes.Buffer
	forever := func() int { select {} }
	if code := new(Guard).Run(signalled(), "program", &said, forever); code != exit.Interrupted {
		t.Errorf("a command that only reads ended with %d", code)
	}
	if said.String() != "program: interrupted\n" {
		t.Errorf("says %q", said.String())
	}
	var g Guard
	code := g.Run(signalled(), "program", &said, func() int {
		defer g.Finishes()()
		time.Sleep(Grace + time.Second/2)
		return 42
	})
	if code != 42 {
		t.Errorf("what had to come to an end was cut short: exit %d", code)
	}
	ctx := signalled()
	if code := g.Run(ctx, "program", &said, func() int { <-ctx.Done(); return 7 }); code != 7 {
		t.Errorf("a command that heeds the signal ended with %d", code)
	}
	if code := g.Run(t.Context(), "program", &said, func() int { return 3 }); code != 3 {
		t.Errorf("without a signal: exit %d", code)
	}
	var none *Guard
	none.Finishes()() // cuts nothing short
}
