// Package infile reads files that people name on a command line: of a bounded size, which
// is looked at before anything is read, and no longer than until the command is ended.
// A named pipe that nobody writes to does not hold a command that got a signal.
package infile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

// ErrLarge is that of a file over its limit.
var ErrLarge = errors.New("too large")

// ReadFile reads a file of up to most bytes. What is larger is an ErrLarge, which names
// both numbers; an end of ctx is its error.
func ReadFile(ctx context.Context, path string, most int) ([]byte, error) {
	type result struct {
		data []byte
		err  error
	}
	done := make(chan result, 1)
	go func() { // opening a pipe waits for its writer, and nothing but that ends it
		data, err := read(path, int64(most))
		done <- result{data, err}
	}()
	select {
	case r := <-done:
		return r.data, r.err
	case <-ctx.Done():
		return nil, fmt.Errorf("%s: %w", path, context.Cause(ctx))
	}
}

func read(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() && info.Size() > most {
		return nil, fmt.Errorf("%s: %w: has %d bytes, more than the %d that are read", path, ErrLarge, info.Size(), most)
	}
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(data)) > most {
		return nil, fmt.Errorf("%s: %w: has more than the %d bytes that are read", path, ErrLarge, most)
	}
	return data, err
}
