// Package interrupt ends a command after a signal: where it is, if it only reads, and
// otherwise as soon as it has come to an end by itself.
package interrupt

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"officiant/cmd/internal/exit"
)

// Grace is how long a command may take to end by itself after a signal.
const Grace = time.Second

// A Guard knows what has to come to an end by itself. A nil one cuts nothing short.
type Guard struct{ busy sync.RWMutex }

// Finishes keeps a signal from cutting short what is done until the function it
// returns is called.
func (g *Guard) Finishes() (end func()) {
	if g == nil {
		return func() {}
	}
	g.busy.RLock()
	return g.busy.RUnlock
}

// Run runs a command of a program and returns its exit code. After ctx ends, it gives the
// command time to end by itself, then ends it where it is as soon as nothing is under way
// that has to come to an end: the caller exits.
func (g *Guard) Run(ctx context.Context, program string, stderr io.Writer, command func() int) int {
	done := make(chan int, 1)
	go func() { done <- command() }()
	select {
	case code := <-done:
		return code
	case <-ctx.Done():
	}
	select {
	case code := <-done:
		return code
	case <-time.After(Grace):
	}
	idle := make(chan struct{})
	go func() {
		g.busy.Lock() // for good: nothing begins any more
		close(idle)
	}()
	select {
	case code := <-done:
		return code
	case <-idle:
		fmt.Fprintf(stderr, "%s: interrupted\n", program)
		return exit.Interrupted
	}
}
