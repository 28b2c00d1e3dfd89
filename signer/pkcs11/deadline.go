//go:build cgo

package pkcs11

import (
	"context"
	"fmt"
	"time"

	"officiant/signer"
)

// limits is how long a device may take to answer, whatever the caller's ctx
// allows: a ceremony at a device that hangs must come to an end by itself.
type limits struct {
	call   time.Duration // a signature, or anything else but the next two
	create time.Duration // a key: cards take minutes for RSA-4096
	pad    time.Duration // a login at a pad, where a person types
}

func (o Options) limits() limits {
	call := o.Timeout
	if call <= 0 {
		call = time.Minute
	}
	return limits{call: call, create: 5 * call, pad: 5 * call}
}

// bounded is await with a limit of its own.
func bounded[T any](ctx context.Context, limit time.Duration, device string, f func() (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return await(ctx, device, f)
}

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
	start := time.Now()
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
		return none, &leftBehind{device, ctx.Err(), time.Since(start)}
	}
}

// leftBehind says that a device did not answer in time.
type leftBehind struct {
	device string
	cause  error         // of the context
	after  time.Duration // 0: waited for a session, behind other calls
}

func (e *leftBehind) Error() string {
	after := ""
	if e.after > 0 {
		after = fmt.Sprintf(" after %s", e.after.Round(time.Millisecond))
	}
	return fmt.Sprintf("%v: %s did not answer in time: %v%s", signer.ErrUnavailable, e.device, e.cause, after)
}

func (e *leftBehind) Unwrap() []error { return []error{signer.ErrUnavailable, e.cause} }
