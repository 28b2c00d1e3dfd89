package transcript

import (
	"bufio"
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/big"
	"time"

	"officiant/bundle/fingerprint"
)

// Line is one line of a transcript.
type Line struct {
	Seq    int // from 1
	Time   time.Time
	Step   int
	Prev   fingerprint.SHA256
	Record Record             // by value: transcript.Open, not a pointer
	Hash   fingerprint.SHA256 // of the line's bytes with its newline

	// Where the line's bytes stand in what Scan read, so that one of many can be
	// had again without the others. Nothing that is written has it.
	Offset int64
	Size   int // with the newline

	Certificate *x509.Certificate // of an Issued record, as Read and Scan parse it
}

// Transcript is a transcript that was read and whose chain is whole. It has at
// least its first line.
type Transcript struct {
	Lines []Line
}

// Certificate is one issued certificate.
type Certificate struct {
	Seq         int // of the Issued line
	Entry       int // line of the schedule
	Name        string
	Signer      string // empty: others signed it
	Certificate *x509.Certificate
}

// Broken says which line of a transcript is not what it must be, and why.
type Broken struct {
	File   string
	Line   int // from 1
	Reason string
}

func (e *Broken) Error() string { return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Reason) }

// Read reads a whole transcript, finished or not. file is for messages. Its
// error is a *Broken. An unterminated last line is an error; Resume cuts it.
func Read(file string, data []byte) (*Transcript, error) {
	t, _, err := read(file, data)
	return t, err
}

func read(file string, data []byte) (*Transcript, *order, error) {
	o := newOrder()
	t := &Transcript{Lines: make([]Line, 0, bytes.Count(data, []byte("\n")))}
	for l, err := range o.scan(file, bytes.NewReader(data)) {
		if err != nil {
			return nil, nil, err
		}
		t.Lines = append(t.Lines, l)
	}
	return t, o, nil
}

// Scan reads a transcript as Read does, one line at a time, and keeps none: a
// long one needs no room. It yields each line that can follow those before it,
// and at the first that cannot, or when reading fails, an error as the last.
func Scan(file string, r io.Reader) iter.Seq2[Line, error] { return newOrder().scan(file, r) }

func (o *order) scan(file string, r io.Reader) iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		lines := bufio.NewReaderSize(r, 1<<16)
		var raw []byte
		var offset int64
		for n := 1; ; n++ {
			var err error
			raw, err = readLine(lines, raw[:0])
			if err == io.EOF && len(raw) == 0 && n > 1 {
				return
			}
			if err != nil && err != io.EOF {
				yield(Line{}, fmt.Errorf("%s: %w", file, err))
				return
			}
			l, err := o.line(raw)
			if err != nil {
				err = &Broken{file, n, err.Error()}
			}
			l.Offset, l.Size = offset, len(raw)
			offset += int64(len(raw))
			if !yield(l, err) || err != nil {
				return
			}
		}
	}
}

// Decode reads a single line, with its newline. It refuses every spelling
// but the one there is. Only Scan checks whether the line can follow others.
func Decode(raw []byte) (Line, error) {
	body, ended := bytes.CutSuffix(raw, []byte("\n"))
	if !ended {
		return Line{}, errors.New("line is not ended by a newline")
	}
	return decode(body)
}

// readLine reads to the next newline, that included, into what it was given.
func readLine(r *bufio.Reader, into []byte) ([]byte, error) {
	for {
		part, err := r.ReadSlice('\n')
		if into = append(into, part...); err != bufio.ErrBufferFull {
			return into, err
		}
	}
}

// line takes raw, with its newline, as the next line.
func (o *order) line(raw []byte) (Line, error) {
	if len(raw) == 0 {
		return Line{}, errors.New("empty")
	}
	body, ended := bytes.CutSuffix(raw, []byte("\n"))
	if !ended {
		return Line{}, errors.New("line is not ended by a newline")
	}
	l, err := decode(body)
	if err == nil {
		err = o.next(&l)
	}
	return l, err
}

// Head returns the hash of the last line.
func (t *Transcript) Head() fingerprint.SHA256 { return t.Lines[len(t.Lines)-1].Hash }

// Open returns the first line's record.
func (t *Transcript) Open() Open { return t.Lines[0].Record.(Open) }

// Closed says whether the ceremony came to its end.
func (t *Transcript) Closed() bool {
	_, ok := t.Lines[len(t.Lines)-1].Record.(Closed)
	return ok
}

// IssuingClosed returns the line after which no CA key signed.
func (t *Transcript) IssuingClosed() (Line, bool) {
	for i := len(t.Lines) - 1; i >= 0; i-- {
		if _, ok := t.Lines[i].Record.(IssuingClosed); ok {
			return t.Lines[i], true
		}
	}
	return Line{}, false
}

// Pending returns the lines of type Intent, CSRIntent, CRLIntent, ChallengeIntent and SignatureIntent
// that have neither result nor abandonment: what a resume has to abandon.
func (t *Transcript) Pending() []Line {
	settled := map[int]bool{}
	for _, l := range t.Lines {
		switch r := l.Record.(type) {
		case Issued:
			settled[r.Intent] = true
		case CRL:
			settled[r.Intent] = true
		case Challenge:
			settled[r.Intent] = true
		case Signature:
			settled[r.Intent] = true
		case CSR:
			settled[r.Intent] = true
		case Abandoned:
			settled[r.Intent] = true
		}
	}
	var open []Line
	for _, l := range t.Lines {
		switch l.Record.(type) {
		case Intent, CSRIntent, CRLIntent, ChallengeIntent, SignatureIntent:
			if !settled[l.Seq] {
				open = append(open, l)
			}
		}
	}
	return open
}

// Certificates returns what was issued, and what others issued for authorities of
// this ceremony, in the transcript's order.
func (t *Transcript) Certificates() []Certificate {
	var certs []Certificate
	for _, l := range t.Lines {
		certs = append(certs, receivedIn(l)...)
		r, ok := l.Record.(Issued)
		if !ok {
			continue
		}
		in := t.Lines[r.Intent-1].Record.(Intent)
		certs = append(certs, Certificate{Seq: l.Seq, Entry: in.Entry, Name: in.Name, Signer: in.Signer, Certificate: l.Certificate})
	}
	return certs
}

// Adopted returns the certificates that were taken over from a cluster that is
// adopted, by name.
func (t *Transcript) Adopted() map[string]*x509.Certificate {
	taken := map[string]*x509.Certificate{}
	for _, l := range t.Lines {
		if r, ok := l.Record.(Adopted); ok {
			taken[r.Name], _ = x509.ParseCertificate(r.Certificate) // Read has parsed it before
		}
	}
	return taken
}

// Serials returns the serials of all intents, those of abandoned ones included,
// and of certificates that others issued.
func (t *Transcript) Serials() []*big.Int {
	var serials []*big.Int
	for _, l := range t.Lines {
		for _, c := range receivedIn(l) {
			serials = append(serials, c.Certificate.SerialNumber)
		}
		r, ok := l.Record.(Intent)
		if !ok {
			continue
		}
		if s, err := tbsSerial(r.TBS); err == nil { // Read has parsed it before
			serials = append(serials, s)
		}
	}
	return serials
}
