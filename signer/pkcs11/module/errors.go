package module

import (
	"context"
	"fmt"
	"time"

	"officiant/signer"
)

// Ended says that a module's process ended, in a call or before it. It is a
// signer.ErrUnavailable.
type Ended struct {
	Function string // the call it was in, or was asked for next
	How      string // "ended with exit code 0", "was ended by signal 11 (segmentation fault)"
	Said     string // the last that it wrote; empty: nothing
}

func (e *Ended) Error() string {
	text := fmt.Sprintf("%s: the module's process %s", e.Function, e.How)
	if e.Said != "" {
		text += fmt.Sprintf("; the last it wrote is %q", e.Said)
	}
	return text
}

func (e *Ended) Unwrap() error { return signer.ErrUnavailable }

// Late says that a call had not ended when its time was over. It is a
// signer.ErrUnavailable and a context.DeadlineExceeded.
type Late struct {
	Function string
	After    time.Duration
}

func (e *Late) Error() string {
	return fmt.Sprintf("%s: did not answer in time: %v after %s",
		e.Function, context.DeadlineExceeded, e.After.Round(time.Millisecond))
}

func (e *Late) Unwrap() []error { return []error{signer.ErrUnavailable, context.DeadlineExceeded} }

// Nonsense is an answer that makes none: a length that is none, more objects
// than were asked for. It is a signer.ErrUnavailable.
type Nonsense struct {
	Text string // "C_Sign: tells a signature of 18446744073709551615 bytes"
}

func (e *Nonsense) Error() string { return e.Text + ": such an answer makes no sense" }

func (e *Nonsense) Unwrap() error { return signer.ErrUnavailable }

// Left says that a process was left alone.
type Left struct {
	Function string
	PID      int
}

func (e *Left) Error() string {
	return fmt.Sprintf("the module's process %d is left alone in %s, which may write to the token: "+
		"it ends with that call, or after five times the time limit", e.PID, e.Function)
}
