//go:build cgo

package pkcs11

import (
	"context"
	"fmt"

	"officiant/signer"
)

// await calls the device and returns at ctx's end at the latest. A call that
// has not ended by then is left behind in its goroutine: PKCS#11 has no way to
// break it off. f therefore touches nothing the caller goes on to use. f is
// called even when ctx has ended already.
func await[T any](ctx context.Context, device string, f func() (T, error)) (T, error) {
	if ctx.Done() == nil {
		return f()
	}
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		v, err := f()
		done <- result{v, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
	}
	select {
	case r := <-done: // both at once: the answer counts
		return r.value, r.err
	default:
		var none T
		return none, &leftBehind{device, ctx.Err()}
	}
}

// leftBehind says that a device did not answer in time.
type leftBehind struct {
	device string
	cause  error // of the context
}

func (e *leftBehind) Error() string {
	return fmt.Sprintf("%v: %s did not answer in time: %v", signer.ErrUnavailable, e.device, e.cause)
}

func (e *leftBehind) Unwrap() []error { return []error{signer.ErrUnavailable, e.cause} }
