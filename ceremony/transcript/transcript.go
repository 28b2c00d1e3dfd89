package transcript

import (
	"crypto/x509"
	"errors"
	"fmt"
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
}

// Transcript is a transcript that was read and whose chain is whole.
type Transcript struct {
	Lines []Line
}

// Certificate is one issued certificate.
type Certificate struct {
	Seq         int // of the Issued line
	Entry       int // line of the schedule
	Name        string
	Signer      string
	Certificate *x509.Certificate
}

// Broken says which line of a transcript is not what it must be.
type Broken struct {
	File   string
	Line   int // from 1
	Reason string
}

func (e *Broken) Error() string { return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Reason) }

// Read reads a whole transcript. Its error is a *Broken.
func Read(file string, data []byte) (*Transcript, error) { return nil, errors.New("not yet") }

// Head returns the hash of the last line.
func (t *Transcript) Head() fingerprint.SHA256 { return t.Lines[len(t.Lines)-1].Hash }

// Open returns the first line's record.
func (t *Transcript) Open() Open { return t.Lines[0].Record.(Open) }

// Closed says whether the ceremony came to its end.
func (t *Transcript) Closed() bool { return false }

// IssuingClosed returns the line after which no CA key signed.
func (t *Transcript) IssuingClosed() (Line, bool) { return Line{}, false }

// Pending returns the intents that have neither result nor abandonment.
func (t *Transcript) Pending() []Line { return nil }

// Certificates returns what was issued, in the transcript's order.
func (t *Transcript) Certificates() []Certificate { return nil }

// Serials returns the serials of all intents, those of abandoned ones included.
func (t *Transcript) Serials() []*big.Int { return nil }
