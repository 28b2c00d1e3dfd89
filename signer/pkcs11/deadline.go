//go:build cgo

package pkcs11

import (
	"context"
	"errors"
	"fmt"
	"time"

	"officiant/signer"
	"officiant/signer/pkcs11/module"
)

// limits is how long a device may take to answer, whatever the caller's ctx
// allows: a ceremony at a device that hangs must come to an end by itself.
type limits struct {
	call   time.Duration // a signature, or anything else but the next two
	create time.Duration // a key: cards take minutes for RSA-4096
	pad    time.Duration // a login at a pad, where a person types
}

// start is how long it may take until a module answers at all: a process of an
// earlier run may have to end first.
func (l limits) start() time.Duration { return l.create + 2*l.call }

func (o Options) limits() limits {
	call := o.Timeout
	if call <= 0 {
		call = time.Minute
	}
	long := module.Longer * call
	return limits{call: call, create: long, pad: long}
}

// batch is how long several signatures may take that are asked for at once: as long as
// the module's process is waited for.
func (l limits) batch(n int) time.Duration { return l.call * time.Duration(min(n, module.Longer)) }

// unhurried is ctx for a call that may write to the token: it ends at ctx's
// deadline, and not because somebody would like to stop.
func unhurried(ctx context.Context) (context.Context, context.CancelFunc) {
	if end, ok := ctx.Deadline(); ok {
		return context.WithDeadline(context.WithoutCancel(ctx), end)
	}
	return context.WithoutCancel(ctx), func() {}
}

// bounded is await with a limit of its own.
func bounded[T any](ctx context.Context, limit time.Duration, device string, f func() (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, limit+limit/4) // a call's own limit comes first, and names the call
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
		return none, &leftBehind{device: device, cause: ctx.Err(), after: time.Since(start)}
	}
}

// leftBehind says that a device did not answer in time.
type leftBehind struct {
	device string
	cause  error         // of the context
	after  time.Duration // 0: waited for a session, behind other calls
	in     string        // the calls in hand; empty when they are not known
}

// naming has an error of a call that was left behind name the call.
func (l *library) naming(err error) error {
	var behind *leftBehind
	if errors.As(err, &behind) && behind.in == "" {
		behind.in = l.ctx.InHand()
	}
	return err
}

func (e *leftBehind) Error() string {
	after := ""
	if e.after > 0 {
		after = fmt.Sprintf(" after %s", e.after.Round(time.Millisecond))
	}
	in := ""
	if e.in != "" {
		in = e.in + ": "
	}
	return fmt.Sprintf("%v: %s did not answer in time: %s%v%s", signer.ErrUnavailable, e.device, in, e.cause, after)
}

func (e *leftBehind) Unwrap() []error { return []error{signer.ErrUnavailable, e.cause} }
