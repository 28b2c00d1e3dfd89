//go:build cgo

package pkcs11

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// maxPIN bounds what is read for a PIN, in bytes.
const maxPIN = 1024

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
	line := bytes.TrimSuffix(bytes.TrimSuffix(pin, []byte("\n")), []byte("\r"))
	if err := plainPIN(line); err != nil {
		clear(pin)
		return nil, fmt.Errorf("pin-source %s: %w; no PIN was tried", p, err)
	}
	return line, nil
}

// plainPIN refuses what an editor or a shell has put around a PIN, and what
// nobody can see that he typed.
func plainPIN(line []byte) error {
	switch {
	case len(line) == 0:
		return errors.New("holds no PIN")
	case bytes.HasPrefix(line, []byte("\xef\xbb\xbf")):
		return errors.New("begins with a byte order mark, as editors of Windows write it; " +
			"save it as plain text (UTF-8 without BOM, ANSI)")
	case bytes.HasPrefix(line, []byte("\xff\xfe")), bytes.HasPrefix(line, []byte("\xfe\xff")),
		len(line) > 1 && (line[0] == 0) != (line[1] == 0):
		return errors.New("is UTF-16, as PowerShell writes it; save it as plain text (Set-Content -Encoding ascii)")
	case bytes.ContainsAny(line, "\n\r"):
		return errors.New("holds more than one line")
	case line[0] == ' ' || line[len(line)-1] == ' ':
		return errors.New("begins or ends with a space, which nobody sees; take it out, or type the PIN if it has one")
	}
	for rest := line; len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		rest = rest[size:]
		if size > 1 || r < utf8.RuneSelf {
			if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || unicode.IsSpace(r) && r != ' ' {
				return errors.New("holds a character that cannot be seen")
			}
		}
	}
	return nil
}

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
	if err := ownPIN(path, st); err != nil {
		return nil, err
	}
	return readPIN(ctx, path, int(f.Fd()), st.Mode()&os.ModeNamedPipe != 0, false)
}

func ownPIN(path string, st os.FileInfo) error {
	if st.IsDir() {
		return fmt.Errorf("%s: is a directory", path)
	}
	sys, known := st.Sys().(*syscall.Stat_t)
	if known && sys.Uid != 0 && int(sys.Uid) != os.Geteuid() {
		return fmt.Errorf("%s: belongs to user %d, who may read and change the PIN; chown it to who runs this", path, sys.Uid)
	}
	if perm := st.Mode().Perm(); perm&0o077 != 0 && (st.Mode().IsRegular() || st.Mode()&os.ModeNamedPipe != 0) {
		return fmt.Errorf("%s: mode %04o lets others read the PIN; set 0600", path, perm)
	}
	return nil
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
	buf := make([]byte, 0, maxPIN+1)
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
		if len(buf) > maxPIN {
			return buf, fmt.Errorf("%s: longer than %d bytes", name, maxPIN)
		}
	}
}
