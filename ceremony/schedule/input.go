package schedule

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/plan"
)

const (
	maxInput = 2 << 20   // of all but a transcript; each is read into memory
	maxChain = 512 << 20 // a transcript of 100,000 certificates
)

// input reads an input file the plan names at a place, once. It returns nil
// when it cannot be had, and has then said why.
func (b base) input(name string, where plan.At) []byte { return b.inputUpTo(maxInput, name, where) }

func (b base) inputUpTo(limit int64, name string, where plan.At) []byte {
	if data, ok := b.files.read[name]; ok {
		return data
	}
	data := b.passing(limit, name, where)
	if data != nil {
		b.files.read[name] = data
	}
	return data
}

// passing reads an input of which the schedule keeps its digest alone.
func (b base) passing(limit int64, name string, where plan.At) []byte {
	if err := plan.CheckInputPath(name); err != nil {
		b.Refuse(where, "%v", err)
		return nil
	}
	if other, ok := b.files.folded[strings.ToLower(name)]; ok && other != name {
		b.Refuse(where, "%q and %q differ in case only, which not every file system can tell apart", name, other)
		return nil
	}
	b.files.folded[strings.ToLower(name)] = name
	data, err := readFile(b.files.fsys, name, limit)
	if err != nil {
		b.Refuse(where, "%v", err)
		return nil
	}
	sum := fingerprint.Of(data)
	if was, ok := b.files.sums[name]; ok && was != sum {
		b.Refuse(where, "%s: it was changed while the plan was read", name)
		return nil
	}
	b.files.sums[name] = sum
	return data
}

// Input reads one of the plan's inputs again, by its path, and compares it with what
// the digest has of it.
func (c *Ceremony) Input(name string) ([]byte, error) {
	if data, ok := c.Inputs[name]; ok {
		return data, nil
	}
	want, ok := c.Sums[name]
	if !ok {
		return nil, fmt.Errorf("%s: is no input of %s", name, c.File)
	}
	data, err := c.reread(name)
	if err != nil {
		return nil, err
	}
	if sum := fingerprint.Of(data); sum != want {
		return nil, fmt.Errorf("%s: it was changed since the plan was read: SHA-256 %s, not %s", name, sum, want)
	}
	return data, nil
}

// readFile reads a regular file of limited size.
func readFile(fsys fs.FS, name string, limit int64) ([]byte, error) {
	// Opening a pipe would wait for who writes to it.
	if info, err := fs.Stat(fsys, name); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", name)
	}
	f, err := fsys.Open(name)
	if err != nil {
		var pe *fs.PathError
		if errors.As(err, &pe) {
			err = pe.Err
		}
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	switch {
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s: not a regular file", name)
	case info.Size() > limit:
		return nil, fmt.Errorf("%s: larger than %d MiB", name, limit>>20)
	}
	data := make([]byte, 0, info.Size()+1)
	for {
		n, err := f.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		switch {
		case err == io.EOF:
			return data, nil
		case err != nil:
			return nil, fmt.Errorf("%s: %w", name, err)
		case int64(len(data)) > limit:
			return nil, fmt.Errorf("%s: larger than %d MiB", name, limit>>20)
		case len(data) == cap(data):
			data = slices.Grow(data, 64<<10)
		}
	}
}
