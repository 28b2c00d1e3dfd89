package report

import (
	"cmp"
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/ceremony/plan"
	"officiant/ceremony/transcript"
)

// Authority is a CA of the ceremony.
type Authority struct {
	Name, Family string
	Made         bool // its certificate; otherwise it was there before
	External     bool // signed by an external root
	Trusted      bool // only trusted, beside the one of its family that issues
	Certificate  *x509.Certificate
	parent       *x509.Certificate // the root of the plan that is above it; nil for a root
	leaves       int
	first, last  time.Time // ends of its leaves
}

func (a Authority) Subject() string         { return a.Certificate.Subject.String() }
func (a Authority) Serial() string          { return fmt.Sprintf("%x", a.Certificate.SerialNumber) }
func (a Authority) Until() string           { return day(a.Certificate.NotAfter) }
func (a Authority) Sum() fingerprint.SHA256 { return fingerprint.Of(a.Certificate.Raw) }
func (a Authority) isRoot() bool            { return a.Family == string(kubepki.Root) }

// Origin says where its certificate is from, when it was not simply made here,
// and what the authority is for, when it does not issue.
func (a Authority) Origin() string {
	origin := ""
	switch {
	case a.External:
		origin = "signed externally"
	case !a.Made:
		origin = "as it was"
	}
	if a.Trusted {
		return join(origin, "only trusted")
	}
	return origin
}

// Authorities are those the plan names that have a certificate, roots first.
func (m *Minutes) Authorities() []Authority {
	if m.Plan == nil {
		return nil
	}
	issued := m.Record.Certificates()
	made, external := map[string]*x509.Certificate{}, map[string]bool{}
	for _, c := range issued {
		if c.Certificate.IsCA {
			made[c.Name] = c.Certificate
		}
	}
	for _, l := range m.Record.Lines {
		if r, ok := l.Record.(transcript.Received); ok {
			for _, c := range r.Certificates {
				external[c.Name] = true
				if cert, err := x509.ParseCertificate(c.Certificate); err == nil {
					made[c.Name] = cert
				}
			}
		}
	}
	var out []Authority
	for _, a := range m.Plan.Plan.Authorities {
		one := Authority{Name: a.Name, Family: string(a.Family), Trusted: a.Use == plan.Trust,
			Certificate: made[a.Name], Made: made[a.Name] != nil, External: external[a.Name]}
		if !one.Made {
			one.Certificate = m.Plan.Certificates[a.Name]
		}
		if one.Certificate != nil {
			one.count(issued)
			out = append(out, one)
		}
	}
	slices.SortStableFunc(out, func(a, b Authority) int {
		rank := map[bool]int{true: 0, false: 1}
		return cmp.Compare(rank[a.isRoot()], rank[b.isRoot()])
	})
	below(out)
	return out
}

// count counts the leaves an authority issued.
func (a *Authority) count(issued []transcript.Certificate) {
	for _, c := range issued {
		if c.Certificate.IsCA || c.Signer != a.Name {
			continue
		}
		end := c.Certificate.NotAfter
		if a.leaves++; a.leaves == 1 || end.Before(a.first) {
			a.first = end
		}
		if end.After(a.last) {
			a.last = end
		}
	}
}

// below finds the root above each authority. Where it is not the one that signed,
// CAs of others stand between; then it is the first root of the plan.
func below(all []Authority) {
	for i := range all {
		for _, root := range all {
			if all[i].isRoot() || !root.isRoot() {
				continue
			}
			if all[i].parent == nil || all[i].Certificate.CheckSignatureFrom(root.Certificate) == nil {
				all[i].parent = root.Certificate
			}
		}
	}
}
