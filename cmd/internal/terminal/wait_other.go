//go:build !linux

package terminal

import "context"

// until waits for read, but not longer than ctx. A read that is left behind
// ends with the program.
func until[T any](ctx context.Context, _ int, read func() (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	c := make(chan answer, 1)
	go func() {
		v, err := read()
		c <- answer{v, err}
	}()
	select {
	case a := <-c:
		return a.value, a.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

// hide leaves it to term.ReadPassword, which keeps what was typed before.
func hide(int) error { return nil }
