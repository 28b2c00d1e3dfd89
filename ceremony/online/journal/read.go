package journal

import (
	"bufio"
	"bytes"
	"fmt"
	"io"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/chain"
)

// Broken says which line of a journal is not what it must be, and why.
type Broken struct {
	File   string
	Line   int // from 1
	Reason string
}

func (e *Broken) Error() string { return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Reason) }

// read takes all whole lines, and returns what comes after the last of them.
func (o *order) read(file string, from io.Reader, each func(chain.Line) error) (tail []byte, err error) {
	lines := bufio.NewReaderSize(from, 1<<16)
	for {
		raw, err := lines.ReadBytes('\n')
		if err == io.EOF && o.seq == 0 {
			return nil, &Broken{file, 1, "it has no whole line"}
		}
		if err == io.EOF {
			return raw, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		l, err := Records.Decode(bytes.TrimSuffix(raw, []byte("\n")))
		if err == nil {
			err = o.next(l, len(raw))
		}
		if err != nil {
			return nil, &Broken{file, o.seq + 1, err.Error()}
		}
		if each == nil {
			continue
		}
		if err := each(l); err != nil {
			return nil, err
		}
	}
}

func (o *order) identity() string {
	spki, _ := fingerprint.SPKI(o.key) // begin has read it from its DER
	return fmt.Sprintf("%s with the journal key %s", o.cluster, spki)
}

func identity(first Open) string {
	return fmt.Sprintf("%s with the journal key %s", first.Cluster, fingerprint.Of(first.PublicKey))
}

// Read reads a whole journal, line by line; each gets those that can follow the ones
// before. Its error is a *Broken, or each's. The journal of a process that was killed
// may end in an unterminated line: that is an error here, and Begin settles it.
func Read(file string, from io.Reader, each func(chain.Line) error) (*Journal, error) {
	o := newOrder()
	tail, err := o.read(file, from, each)
	if err == nil && len(tail) > 0 {
		err = &Broken{file, o.seq + 1, "line is not ended by a newline"}
	}
	if err != nil {
		return nil, err
	}
	return &Journal{path: file, order: o, failed: fmt.Errorf("%s: it was opened to be read", file)}, nil
}
