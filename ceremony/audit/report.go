package audit

import (
	"fmt"

	"officiant/bundle/fingerprint"
	"officiant/bundle/phrase"
)

// Check is one thing that was looked at, and what is wrong with it.
type Check struct {
	Guarantee int      `json:"guarantee"` // its number in the list of guarantees
	Name      string   `json:"name"`
	Detail    string   `json:"detail,omitempty"` // how much was looked at: "57 lines"
	Problems  []string `json:"problems"`         // empty: as it must be
	Notes     []string `json:"notes,omitempty"`  // no problem, but a reader should know
	// What the directory cannot show, or is not looked at: the guarantee is not checked.
	Unchecked []string `json:"unchecked,omitempty"`
	Skipped   string   `json:"skipped,omitempty"` // why it could not be made
}

// Report is what an audit found. Digests are nil where the directory does not say them.
type Report struct {
	Directory string              `json:"directory"`
	Name      string              `json:"name"` // the plan's
	Cluster   string              `json:"cluster"`
	Sequence  int                 `json:"sequence"`
	Digest    *fingerprint.SHA256 `json:"digest,omitempty"`  // of the ceremony
	Head      *fingerprint.SHA256 `json:"head,omitempty"`    // of the record
	Root      *fingerprint.SHA256 `json:"root,omitempty"`    // SHA-256 of the DER root certificate
	Release   *fingerprint.SHA256 `json:"release,omitempty"` // SHA-256 of the release key's SubjectPublicKeyInfo
	People    *fingerprint.SHA256 `json:"people,omitempty"`  // of those the plan names, and their threshold

	Approved  []string `json:"approved,omitempty"`  // by whom: persons' names
	Witnessed []string `json:"witnessed,omitempty"` // by whom

	Lines        int  `json:"lines"`
	Certificates int  `json:"certificates"` // issued
	Abandoned    int  `json:"abandoned"`    // certificates whose signing has no result on record
	Bundles      int  `json:"bundles"`
	Finished     bool `json:"finished"`
	// Why people abandoned the ceremony; empty when they did not. Its keys have their
	// end when it is closed.
	Abandonment       string `json:"abandonment,omitempty"`
	AbandonmentClosed bool   `json:"abandonmentClosed,omitempty"`

	Checks        []Check `json:"checks"`        // in the order they were made
	Pinned        bool    `json:"pinned"`        // held against a root or release key from elsewhere, and the same
	RootPinned    bool    `json:"rootPinned"`    // vouches for the certificates
	ReleasePinned bool    `json:"releasePinned"` // vouches for the record and all it says
	PeoplePinned  bool    `json:"peoplePinned"`  // says who may approve the plan
}

// Verdict is the outcome in a few words.
type Verdict string

const (
	Verified   Verdict = "verified"
	Unpinned   Verdict = "consistent, origin not established"
	RootAlone  Verdict = "certificates as pinned, origin of the record not established"
	Unfinished Verdict = "unfinished"
	Abandoned  Verdict = "abandoned"
	Failed     Verdict = "does not verify"

	// Of a previous ceremony: no pin is its own, and the one that continues it names it.
	consistent Verdict = "consistent"
)

// Verdict says what the findings come to. The root vouches for certificates alone:
// of these, public as they are, anybody can write a record of his own.
func (r *Report) Verdict() Verdict {
	switch findings := len(r.Findings()); {
	case r.AbandonmentClosed && findings == 0:
		return Abandoned
	case r.AbandonmentClosed:
		return Failed
	case findings == 1 && r.Lines > 0 && !r.Finished:
		return Unfinished
	case findings > 0:
		return Failed
	case !r.Pinned:
		return Unpinned
	case !r.ReleasePinned:
		return RootAlone
	}
	return Verified
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
func (r *Report) Summary() string { return r.summary(r.Verdict()) }

func (r *Report) summary(verdict Verdict) string {
	s := fmt.Sprintf("%s: %s; %s, %s, %s", r.subject(), verdict,
		phrase.Count(r.Lines, "line"), phrase.Count(r.Certificates, "certificate"), phrase.Count(r.Bundles, "bundle"))
	if n := len(r.Findings()); n > 0 {
		return s + ", " + phrase.Count(n, "finding")
	}
	return s + ", no finding"
}

func (r *Report) subject() string {
	if r.Name == "" {
		return r.Directory
	}
	return "ceremony " + r.Name
}
