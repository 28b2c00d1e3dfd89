package schedule

import (
	"crypto/sha256"
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
	// MaxJournal is how many bytes a journal has at most: some 180,000 certificates.
	MaxJournal = 512 << 20
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
	if !b.isPath(name, where) {
		return nil
	}
	data, err := readFile(b.files.fsys, name, limit)
	if err != nil {
		b.Refuse(where, "%v", err)
		return nil
	}
	if !b.sum(name, fingerprint.Of(data), where) {
		return nil
	}
	return data
}

// isPath says whether an input may have a path, which is then its own.
func (b base) isPath(name string, where plan.At) bool {
	if err := plan.CheckInputPath(name); err != nil {
		b.Refuse(where, "%v", err)
		return false
	}
	if other, ok := b.files.folded[strings.ToLower(name)]; ok && other != name {
		b.Refuse(where, "%q and %q differ in case only, which not every file system can tell apart", name, other)
		return false
	}
	b.files.folded[strings.ToLower(name)] = name
	return true
}

// sum keeps the digest of an input. One that is read twice has the same both times.
func (b base) sum(name string, sum fingerprint.SHA256, where plan.At) bool {
	if was, ok := b.files.sums[name]; ok && was != sum {
		b.Refuse(where, "%s: it was changed while the plan was read", name)
		return false
	}
	b.files.sums[name] = sum
	return true
}

// stream has read take an input that is not held in memory. Its error is read's; what
// is wrong with the file itself it has said.
func (b base) stream(limit int64, name string, where plan.At, read func(io.Reader) error) error {
	if !b.isPath(name, where) {
		return nil
	}
	f, err := openFile(b.files.fsys, name, limit)
	if err != nil {
		b.Refuse(where, "%v", err)
		return nil
	}
	defer f.Close()
	b.files.streamed[name] = true
	hash := sha256.New()
	text := io.TeeReader(io.LimitReader(f, limit), hash)
	if err := read(text); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, text); err != nil {
		b.Refuse(where, "%s: %v", name, err)
		return nil
	}
	b.sum(name, fingerprint.SHA256(hash.Sum(nil)), where)
	return nil
}

// Input reads one of the plan's inputs again, by its path, and compares it with what
// the digest has of it.
func (c *Ceremony) Input(name string) ([]byte, error) {
	if data, ok := c.Inputs[name]; ok {
		return data, nil
	}
	want, err := c.sumOf(name)
	if err != nil {
		return nil, err
	}
	data, err := c.reread(name)
	if err == nil {
		err = unchanged(name, fingerprint.Of(data), want)
	}
	if err != nil {
		return nil, err
	}
	return data, nil
}

// CopyInput writes one of the plan's inputs, and compares it with what the digest has of
// it. The input is not held in memory.
func (c *Ceremony) CopyInput(name string, to io.Writer) error {
	want, err := c.sumOf(name)
	if err != nil {
		return err
	}
	f, err := c.reopen(name)
	if err != nil {
		return err
	}
	defer f.Close()
	hash := sha256.New()
	if _, err := io.Copy(io.MultiWriter(to, hash), f); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return unchanged(name, fingerprint.SHA256(hash.Sum(nil)), want)
}

// sumOf is what the digest has of an input.
func (c *Ceremony) sumOf(name string) (fingerprint.SHA256, error) {
	sum, ok := c.Sums[name]
	if !ok {
		return sum, fmt.Errorf("%s: is no input of %s", name, c.File)
	}
	return sum, nil
}

func unchanged(name string, sum, want fingerprint.SHA256) error {
	if sum != want {
		return fmt.Errorf("%s: it was changed since the plan was read: SHA-256 %s, not %s", name, sum, want)
	}
	return nil
}

// readFile reads a regular file of limited size.
func readFile(fsys fs.FS, name string, limit int64) ([]byte, error) {
	f, err := openFile(fsys, name, limit)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
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

// openFile opens a regular file of limited size.
func openFile(fsys fs.FS, name string, limit int64) (fs.File, error) {
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
	info, err := f.Stat()
	switch {
	case err != nil:
	case !info.Mode().IsRegular():
		err = fmt.Errorf("%s: not a regular file", name)
	case info.Size() > limit:
		err = fmt.Errorf("%s: larger than %d MiB", name, limit>>20)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
