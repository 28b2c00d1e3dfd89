//go:build cgo

package pkcs11

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// maxPIN bounds what is read for a PIN, in bytes.
const maxPIN = 1024

// read returns the PIN of the source. The caller clears it.
func (p pinSource) read() ([]byte, error) {
	var pin []byte
	var err error
	if p.file != "" {
		pin, err = readPINFile(p.file)
	} else {
		pin, err = readPINLine(p.fd)
	}
	if err != nil {
		clear(pin)
		return nil, fmt.Errorf("pin-source: %w", err)
	}
	line := bytes.TrimSuffix(bytes.TrimSuffix(pin, []byte("\n")), []byte("\r"))
	switch {
	case len(line) == 0:
		err = errors.New("holds no PIN")
	case bytes.ContainsAny(line, "\n\r\x00"):
		err = errors.New("holds more than one line")
	}
	if err != nil {
		clear(pin)
		return nil, fmt.Errorf("pin-source %s: %w", p, err)
	}
	return line, nil
}

func (p pinSource) String() string {
	if p.file != "" {
		return p.file
	}
	return fmt.Sprintf("fd:%d", p.fd)
}

// readPINFile refuses a file others may read, as ssh does with keys: the PIN
// in it is no secret.
func readPINFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if st.Mode().IsRegular() && st.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s: mode %04o lets others read the PIN; set 0600", path, st.Mode().Perm())
	}
	buf := make([]byte, maxPIN+1)
	n, err := io.ReadFull(f, buf)
	if err == nil {
		err = fmt.Errorf("%s: longer than %d bytes", path, maxPIN)
	}
	if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return buf, err
	}
	return buf[:n], nil
}

// readPINLine reads one line byte by byte, so that the next token finds the
// next line; an os.File would close the descriptor when it is collected.
func readPINLine(fd int) ([]byte, error) {
	buf := make([]byte, 0, maxPIN)
	for len(buf) < maxPIN {
		n, err := unix.Read(fd, buf[len(buf):len(buf)+1])
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return buf, fmt.Errorf("fd:%d: %w", fd, err)
		}
		buf = buf[:len(buf)+n]
		if n == 0 || buf[len(buf)-1] == '\n' {
			return buf, nil
		}
	}
	return buf, fmt.Errorf("fd:%d: longer than %d bytes", fd, maxPIN)
}
