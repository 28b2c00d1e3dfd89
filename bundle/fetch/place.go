package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"officiant/bundle/durable"
)

// Limits of a place, unless Options say otherwise.
const (
	DefaultTimeout = 2 * time.Minute
	DefaultBytes   = 32 << 20
)

// ErrUnchanged says that the file is still the one that the validator describes.
var ErrUnchanged = errors.New("not changed since it was last read")

// ErrAbsent says that there is no such file.
var ErrAbsent = errors.New("there is no such file")

// Validator is what an answer said of itself, to ask again with.
type Validator struct {
	ETag         string `json:"etag,omitempty"`
	LastModified string `json:"lastModified,omitempty"`
}

// Options bound and equip a place.
type Options struct {
	Timeout time.Duration // of one file; 0: DefaultTimeout
	Bytes   int64         // of one file; 0: DefaultBytes
	Proxy   string        // URL of an HTTP proxy; empty: none
	CA      []byte        // PEM certificates to verify a server against; nil: the system's
	Agent   string        // what the program says it is
	Disk    *durable.Disk // for files that are left in a folder
}

// Place is where bundles are fetched from, or statuses are left.
type Place struct {
	name string
	o    Options
	web  *web // nil: a folder
}

// Open names a place: a URL, or a folder. Nothing is asked yet.
func Open(at string, o Options) (*Place, error) {
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Bytes == 0 {
		o.Bytes = DefaultBytes
	}
	p := &Place{name: at, o: o}
	if !strings.Contains(at, "://") {
		if at == "" {
			return nil, errors.New("no folder and no URL was given")
		}
		return p, nil
	}
	var err error
	if p.web, err = newWeb(at, o); err != nil {
		return nil, err
	}
	p.name = p.web.base.String()
	return p, nil
}

// String is the place as it was named.
func (p *Place) String() string { return p.name }

// Get reads a file. It fails with ErrUnchanged if the file is still the one known, with
// ErrAbsent if there is none, and otherwise with the location's own error.
func (p *Place) Get(ctx context.Context, name string, known Validator) ([]byte, Validator, error) {
	ctx, cancel := context.WithTimeout(ctx, p.o.Timeout)
	defer cancel()
	if p.web != nil {
		return p.web.get(ctx, name, known)
	}
	data, err := waited(ctx, p.o.Timeout, func() ([]byte, error) {
		return readFile(filepath.Join(p.name, name), p.o.Bytes)
	})
	return data, Validator{}, err
}

// Put leaves a file, and replaces one of that name.
func (p *Place) Put(ctx context.Context, name string, data []byte) error {
	ctx, cancel := context.WithTimeout(ctx, p.o.Timeout)
	defer cancel()
	if p.web != nil {
		return p.web.put(ctx, name, data)
	}
	_, err := waited(ctx, p.o.Timeout, func() ([]byte, error) {
		return nil, p.o.Disk.Replace(filepath.Join(p.name, name), data, 0o644)
	})
	return err
}

// waited gives up on a share that does not answer; the call that hangs is left behind.
func waited(ctx context.Context, limit time.Duration, act func() ([]byte, error)) ([]byte, error) {
	type result struct {
		data []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		data, err := act()
		done <- result{data, err}
	}()
	select {
	case r := <-done:
		return r.data, r.err
	case <-ctx.Done():
		return nil, ended(ctx, limit)
	}
}

// ended says why a call did not come to its end.
func ended(ctx context.Context, limit time.Duration) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("did not answer whole within %s", limit)
	}
	return ctx.Err()
}

// readFile reads one plain file, and looks before it opens: a pipe would never end.
func readFile(path string, most int64) ([]byte, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, derr := os.Stat(filepath.Dir(path)); derr != nil {
			return nil, derr
		}
		return nil, fmt.Errorf("%s: %w", path, ErrAbsent)
	}
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a plain file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readUpTo(f, path, most)
}

func readUpTo(r io.Reader, what string, most int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, most+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > most {
		return nil, fmt.Errorf("%s is larger than %d bytes", what, most)
	}
	return data, nil
}
