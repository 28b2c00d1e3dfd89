package terminal

import (
	"context"
	"errors"

	"golang.org/x/sys/unix"
)

// patience is how long it may take until Ctrl-C is heard at a prompt.
const patience = 100 // milliseconds

// until waits for a line at the terminal, and then reads it, but not longer than
// ctx. No reader is left behind: it would take the answer to the next question.
func until[T any](ctx context.Context, fd int, read func() (T, error)) (T, error) {
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, patience)
		switch {
		case ctx.Err() != nil:
			var none T
			return none, ctx.Err()
		case n > 0:
			return read()
		case err != nil && !errors.Is(err, unix.EINTR):
			var none T
			return none, err
		}
	}
}

// hide stops the terminal from showing what is typed, until its state is restored, and
// throws away what was typed before, as ssh and sudo do: it was meant for something else.
func hide(fd int) error {
	t, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return err
	}
	t.Lflag &^= unix.ECHO
	return unix.IoctlSetTermios(fd, unix.TCSETSF, t)
}
