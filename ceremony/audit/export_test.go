package audit

import (
	"crypto/x509"

	"officiant/ceremony/schedule"
	"officiant/ceremony/transcript"
)

// TakenOver looks at what a record took over from a running cluster, by a plan
// that a test may have changed after it was accepted: what the audit finds then,
// it finds by itself.
func TakenOver(t *transcript.Transcript, p *schedule.Ceremony) []string {
	r := newRecord(t)
	a := &keptAudit{&view{t: r, plan: p, ledger: r.Ledger, past: readPast(p),
		kept: map[string]map[string]*x509.Certificate{}}}
	c := &Check{}
	a.takenOver(c)
	return c.Problems
}

// newRecord is a transcript that is in memory. Leaves' certificates cannot be had from it.
func newRecord(t *transcript.Transcript) *record {
	r, s := &record{}, newSorter(&recordText{})
	for _, l := range t.Lines {
		r.add(l, s)
	}
	r.Ledger = s.end()
	return r
}
