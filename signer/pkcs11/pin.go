//go:build cgo

package pkcs11

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"officiant/signer"
)

// read returns the PIN of the source, and waits for one that others have yet to
// write until ctx ends. The caller clears it. What is no PIN is refused here,
// before it costs one of the token's tries.
func (p pinSource) read(ctx context.Context) ([]byte, error) {
	var pin []byte
	var err error
	if p.file != "" {
		pin, err = readPINFile(ctx, p.file)
	} else {
		pin, err = readPINLine(ctx, p.fd)
	}
	if err != nil {
		clear(pin)
		return nil, fmt.Errorf("pin-source: %w", err)
	}
	line, err := signer.PINLine(pin)
	if err != nil {
		clear(pin)
		return nil, fmt.Errorf("pin-source %s: %w; no PIN was tried", p, err)
	}
	return line, nil
}

// noPIN is a signer.ErrUnavailable that does not say so: the token is there, and its PIN is
// not to be had.
type noPIN struct{ error }

func (e noPIN) Unwrap() []error { return []error{signer.ErrUnavailable, e.error} }

func (p pinSource) String() string {
	if p.file != "" {
		return p.file
	}
	return fmt.Sprintf("fd:%d", p.fd)
}

// readPINFile refuses a file that others may read, as ssh does with keys, or
// own: the PIN in it is no secret, or not its user's.
func readPINFile(ctx context.Context, path string) ([]byte, error) {
	// A named pipe that nobody writes to would not open.
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if err := signer.OwnPINFile(path, st); err != nil {
		return nil, err
	}
	return readPIN(ctx, path, int(f.Fd()), st.Mode()&os.ModeNamedPipe != 0, false)
}

// readPINLine reads one line, so that the next token finds the next line; an
// os.File would close the descriptor when it is collected.
func readPINLine(ctx context.Context, fd int) ([]byte, error) {
	return readPIN(ctx, fmt.Sprintf("fd:%d", fd), fd, false, true)
}

// pollTime is how soon who gives up is heeded.
const pollTime = 50 * time.Millisecond

// readPIN reads byte by byte, to the end or to the end of a line. A named pipe
// without a writer reads as ended: it is waited for.
func readPIN(ctx context.Context, name string, fd int, pipe, line bool) ([]byte, error) {
	buf := make([]byte, 0, signer.MaxPIN+1)
	for {
		if err := ctx.Err(); err != nil {
			return buf, fmt.Errorf("%s: nobody wrote a PIN: %w", name, err)
		}
		polled := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		if n, err := unix.Poll(polled, int(pollTime.Milliseconds())); n == 0 || errors.Is(err, unix.EINTR) {
			continue
		}
		n, err := unix.Read(fd, buf[len(buf):len(buf)+1])
		switch {
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.EAGAIN):
			continue
		case err != nil:
			return buf, fmt.Errorf("%s: %w", name, err)
		case n == 0 && pipe && len(buf) == 0:
			time.Sleep(pollTime)
			continue
		case n == 0:
			return buf, nil
		}
		if buf = buf[:len(buf)+n]; line && buf[len(buf)-1] == '\n' {
			return buf, nil
		}
		if len(buf) > signer.MaxPIN {
			return buf, fmt.Errorf("%s: longer than %d bytes", name, signer.MaxPIN)
		}
	}
}
