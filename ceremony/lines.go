package ceremony

import (
	"slices"
	"strings"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/transcript"
)

// lines are a record's, as far as it takes to compare heads: the record is read once, and
// held nowhere.
type lines struct {
	all         []line
	abandonment *transcript.Line // with which people gave the ceremony up; nil: they did not
	closed      bool
}

// line is one of them. There are two for each certificate.
type line struct {
	hash   fingerprint.SHA256
	seq    int
	intent int    // the line that announced what this one holds; 0 of one that holds nothing signed
	name   string // of what it announces, or of a key
	does   doing
}

// doing is what a line says of signatures.
type doing uint8

const (
	nothing   doing = iota
	announces       // a signature
	makesKey        // is about to
	signs
)

// see takes a line as it is read.
func (s *lines) see(l transcript.Line) {
	now := line{hash: l.Hash, seq: l.Seq}
	name := ""
	switch r := l.Record.(type) {
	case transcript.Intent:
		now.does, name = announces, r.Name
	case transcript.CRLIntent:
		now.does, name = announces, r.Name
	case transcript.CSRIntent:
		now.does, name = announces, r.Name
	case transcript.SignatureIntent:
		now.does, name = announces, r.Name
	case transcript.KeyIntent:
		now.does, name = makesKey, r.Name
	case transcript.Issued:
		now.does, now.intent = signs, r.Intent
	case transcript.CRL:
		now.does, now.intent = signs, r.Intent
	case transcript.CSR:
		now.does, now.intent = signs, r.Intent
	case transcript.Signature:
		now.does, now.intent = signs, r.Intent
	case transcript.Challenge:
		now.intent = r.Intent
	case transcript.Abandonment:
		if s.abandonment == nil {
			s.abandonment = &l
		}
	}
	now.name = strings.Clone(name) // it may be a part of a long line
	_, s.closed = l.Record.(transcript.Closed)
	s.all = append(s.all, now)
}

// of is the index of the line that has a hash; -1 for none.
func (s *lines) of(hash fingerprint.SHA256) int {
	return slices.IndexFunc(s.all, func(l line) bool { return l.hash == hash })
}
