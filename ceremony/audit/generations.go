package audit

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"slices"

	"officiant/bundle/kubepki"
	"officiant/ceremony/history"
	"officiant/ceremony/plan"
	"officiant/ceremony/schedule"
	"officiant/ceremony/transcript"
)

// generations looks at what tells an authority's certificates, and a family's
// authorities, apart: who stands beside the one that issues is below a root of
// the plan and signed no leaf here; another certificate of an authority is for
// the same subject and key; and what a previous record made is what is used on.
func (a *certificateAudit) generations(c *Check) {
	a.standing(c)
	uses := map[string]plan.Use{}
	for _, p := range a.plan.Plan.Authorities {
		uses[p.Name] = p.Use
		cert := a.authority(p.Name)
		if cert == nil {
			continue // said where the schedule is held against the record
		}
		if p.Family != kubepki.Root && !p.Adopted && !a.belowRoot(cert) {
			c.problem("authority %s: no root of the plan certified it", p.Name)
		}
		if !a.t.Open().Rehearsal { // which makes every certificate anew
			a.successive(c, p, cert, a.past.certificate(p.Name, history.Issued, history.Received))
		}
	}
	for _, s := range a.ledger.certificates {
		if a.kind(s.entry) == schedule.LeafCertificate && uses[s.signer] != plan.Issue {
			c.problem("line %d: %s is by %s, which is only trusted", s.seq, s.name, s.signer)
		}
	}
}

// standing holds what the line that closes issuing says of authorities, and of nodes
// that have left, against the plan. Records of before there were several of a family
// say nothing of them.
func (a *certificateAudit) standing(c *Check) {
	closing := a.ledger.closing()
	if closing == nil {
		return
	}
	left := closing.Record.(transcript.IssuingClosed).Left
	if !slices.Equal(left, a.plan.Plan.Left) {
		c.problem("line %d: says that the nodes %q have left, the plan says %q", closing.Seq, left, a.plan.Plan.Left)
	}
	said := closing.Record.(transcript.IssuingClosed).Authorities
	if said == nil && len(a.plan.Plan.Trusted()) == 0 {
		return
	}
	var want []transcript.Standing
	for _, p := range a.plan.Plan.Authorities {
		want = append(want, transcript.Standing{Name: p.Name, Family: string(p.Family), Use: string(p.Use)})
	}
	if !slices.Equal(said, want) {
		c.problem("line %d: names the authorities %v, the plan has %v", closing.Seq, said, want)
	}
}

// belowRoot says whether a root of the plan certified cert: itself, or by CAs
// between, where others sign with it.
func (a *certificateAudit) belowRoot(cert *x509.Certificate) bool {
	for _, p := range a.plan.Plan.Authorities {
		root := a.authority(p.Name)
		if p.Family == kubepki.Root && root != nil &&
			(cert.CheckSignatureFrom(root) == nil || p.External && a.between(cert, root)) {
			return true
		}
	}
	return false
}

// successive holds an authority's certificate against the one before it: the
// newest that a previous record made under its name, else the one the plan renews.
func (a *certificateAudit) successive(c *Check, p plan.Authority, cert, before *x509.Certificate) {
	if p.Renews != "" {
		old := renewed(a.plan.Inputs[p.Renews])
		if old == nil || before != nil && !before.Equal(old) {
			c.problem("%s: is not the certificate authority %s had on record", p.Renews, p.Name)
			return
		}
		before = old
	}
	switch {
	case before == nil, before.Equal(cert):
	case p.Renews == "":
		c.problem("authority %s: its certificate is not the one on the previous record, and the plan renews none",
			p.Name)
	case !bytes.Equal(before.RawSubject, cert.RawSubject):
		c.problem("authority %s: the subject of its new certificate is %q, it was %q", p.Name, cert.Subject, before.Subject)
	case !bytes.Equal(before.RawSubjectPublicKeyInfo, cert.RawSubjectPublicKeyInfo):
		c.problem("authority %s: its new certificate is for another key", p.Name)
	case !bytes.Equal(before.SubjectKeyId, cert.SubjectKeyId):
		c.problem("authority %s: its new certificate has another key identifier, which its leaves do not name", p.Name)
	case cert.NotAfter.Before(before.NotAfter):
		c.problem(
			"authority %s: its new certificate ends at %s, sooner than the one it renews",
			p.Name,
			stamp(cert.NotAfter),
		)
	}
}

// renewed reads the one certificate of a plan's input; nil when it is none.
func renewed(data []byte) *x509.Certificate {
	block, rest := pem.Decode(data)
	if block == nil || len(bytes.TrimSpace(rest)) > 0 {
		return nil
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil
	}
	return cert
}
