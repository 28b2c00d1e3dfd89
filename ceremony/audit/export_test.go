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
	a := &keptAudit{&view{t: t, plan: p, ledger: newLedger(t), past: readPast(p),
		kept: map[string]map[string]*x509.Certificate{}}}
	c := &Check{}
	a.takenOver(c)
	return c.Problems
}
