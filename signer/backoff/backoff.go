// Package backoff tries again what failed for a moment, such as a request that a
// cloud throttles, with growing pauses and inside a time that is set beforehand.
//
// It is for what may be done twice: a read, a signature over the same digest, or
// a request that was refused before anything was done.
package backoff

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

// Limits bound the tries.
type Limits struct {
	First time.Duration // the first pause; each next one is twice as long
	Most  time.Duration // of one pause
	Total time.Duration // from the first try on; no try begins later
}

// Do calls f until it succeeds, fails with an error that brief does not consider
// temporary, or time runs out. The error is the last one, with the number of tries. A
// pause is between half of its length and all of it, so that clients that were throttled
// together do not return together.
func Do[T any](ctx context.Context, l Limits, brief func(error) bool, f func() (T, error)) (T, error) {
	end := time.Now().Add(l.Total)
	if d, ok := ctx.Deadline(); ok && d.Before(end) {
		end = d
	}
	for pause, n := l.First, 1; ; pause, n = min(2*pause, l.Most), n+1 {
		v, err := f()
		if err == nil || !brief(err) {
			return v, err
		}
		wait := pause/2 + rand.N(pause/2+1)
		timer := time.NewTimer(wait)
		if time.Now().Add(wait).After(end) {
			timer.Stop()
			return v, tried(err, n)
		}
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return v, tried(err, n)
		}
	}
}

func tried(err error, n int) error {
	if n == 1 {
		return err
	}
	return fmt.Errorf("%w; tried %d times", err, n)
}
