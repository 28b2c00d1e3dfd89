package audit

import (
	"crypto"
	"errors"
	"time"

	"officiant/bundle/fingerprint"
)

// Options says what a ceremony directory is held against.
type Options struct {
	Now        time.Time           // zero: the certificates' validity today is not judged
	Root       *fingerprint.SHA256 // pin: SHA-256 of the DER root certificate
	ReleaseKey crypto.PublicKey    // pin: the release key
	Previous   []string            // directories of the ceremonies this one continues
}

// Check is one thing that was looked at, and what is wrong with it.
type Check struct {
	Guarantee int      `json:"guarantee"` // its number in the list of guarantees
	Name      string   `json:"name"`
	Problems  []string `json:"problems"` // empty: as it must be
}

// Report is what an audit found.
type Report struct {
	Name   string  `json:"name"`   // the plan's
	Checks []Check `json:"checks"` // in the order they were made
	Pinned bool    `json:"pinned"` // held against a root or release key from elsewhere
}

// Findings lists everything that is wrong, check by check.
func (r *Report) Findings() []string {
	var out []string
	for _, c := range r.Checks {
		out = append(out, c.Problems...)
	}
	return out
}

// Summary says in one line what was verified.
func (r *Report) Summary() string { return "" }

// Verify looks at a finished ceremony directory from outside, with no token.
// What is wrong with the ceremony is in the report; an error means that the
// directory could not be looked at.
func Verify(dir string, o Options) (*Report, error) { return nil, errors.New("not yet") }
