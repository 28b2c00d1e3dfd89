package history

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"officiant/ceremony/transcript"
)

// What a ceremony directory calls its record, and the release key's signature.
const (
	RecordFile    = "transcript.jsonl"
	SignatureFile = "transcript.sig"
)

// Source is where the text of one record is.
type Source struct {
	Name string // for messages
	Dir  string // the ceremony directory it lies in; empty when it lies in none
	// Open opens the text from its beginning.
	Open func() (io.ReadCloser, error)
	// Signature is the release key's over the text; nil, or none (fs.ErrNotExist),
	// when it is not at hand.
	Signature func() ([]byte, error)
}

// Directory is the record of a ceremony directory, with its signature where it
// has one.
func Directory(dir string) Source {
	file := filepath.Join(dir, RecordFile)
	return Source{
		Name: file, Dir: dir,
		Open:      func() (io.ReadCloser, error) { return transcript.OpenFile(file) },
		Signature: func() ([]byte, error) { return readSignature(filepath.Join(dir, SignatureFile)) },
	}
}

// Text is a record that is in memory. name is for messages.
func Text(name string, data []byte) Source {
	return Source{Name: name, Open: func() (io.ReadCloser, error) { return textFile{bytes.NewReader(data)}, nil }}
}

// Input is a record in a file system, such as an input of a plan.
func Input(fsys fs.FS, name string) Source {
	return Source{Name: name, Open: func() (io.ReadCloser, error) { return fsys.Open(name) }}
}

type textFile struct{ *bytes.Reader }

func (textFile) Close() error { return nil }

// longestSignature is above an RSA-4096 signature, and above all others.
const longestSignature = 4 << 10

func readSignature(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	sig, err := io.ReadAll(io.LimitReader(f, longestSignature+1))
	if err == nil && len(sig) > longestSignature {
		err = fmt.Errorf("%s: larger than %d bytes", path, longestSignature)
	}
	return sig, err
}

// line reads one line again.
func (s Source) line(offset int64, size int) (transcript.Line, error) {
	f, err := s.Open()
	if err != nil {
		return transcript.Line{}, err
	}
	defer f.Close()
	raw := make([]byte, size)
	switch r := f.(type) {
	case io.ReaderAt:
		_, err = r.ReadAt(raw, offset)
	default:
		if _, err = io.CopyN(io.Discard, f, offset); err == nil {
			_, err = io.ReadFull(f, raw)
		}
	}
	if err != nil && !(errors.Is(err, io.EOF) && raw[size-1] == '\n') {
		return transcript.Line{}, fmt.Errorf("%s: %w", s.Name, err)
	}
	l, err := transcript.Decode(raw)
	if err != nil {
		return l, fmt.Errorf("%s: at byte %d: changed since it was read: %w", s.Name, offset, err)
	}
	return l, nil
}
