package online

import (
	"crypto/x509"
	"math/big"

	"officiant/bundle/kubepki"
	"officiant/ceremony/issue"
	"officiant/ceremony/lint"
	"officiant/ceremony/online/grant"
	"officiant/ceremony/online/policy"
	"officiant/ceremony/profile"
	"officiant/ceremony/schedule"
	"officiant/signer"
)

// draft is a request, held against the grant, and what would be signed. Making it is the
// costly part, and nothing in it is written: several are made at once.
type draft struct {
	ask     *ask
	grant   *grant.Grant
	claim   *policy.Claim
	refusal *policy.Refusal
	checked *issue.Checked // nil where there is a certificate already, or with err
	err     error
}

// draftAll drafts until the queue is closed. No more is taken from it than is under way:
// what waits there takes turns.
func (s *Service) draftAll() {
	for {
		s.room <- struct{}{}
		a := s.queue.take()
		if a == nil {
			return
		}
		s.drafted <- s.draft(s.current(), a)
	}
}

func (s *Service) draft(g *grant.Grant, a *ask) *draft {
	d := &draft{ask: a, grant: g}
	d.claim, d.refusal = policy.Read(g, a.request, s.cfg.Now())
	if d.refusal != nil {
		return d
	}
	if j := s.known.Load(); j == nil || !j.Has(d.claim.Content) {
		d.checked, d.err = s.check(d.claim)
	}
	return d
}

// used says whether a serial number was used before. While the journal is not open,
// nothing is: it refuses a second use itself.
func (s *Service) used(serial *big.Int) bool {
	j := s.known.Load()
	return j != nil && j.Used(serial)
}

// check makes the certificate of a claim as a ceremony makes one.
func (s *Service) check(c *policy.Claim) (*issue.Checked, error) {
	serial, err := profile.Serial(s.cfg.Rand, s.used)
	if err != nil {
		return nil, err
	}
	issuer := c.Authority.X509()
	algorithm, err := signer.AlgorithmOf(issuer.PublicKey)
	if err != nil {
		return nil, err
	}
	entry := schedule.Entry{
		Kind: schedule.LeafCertificate, Name: c.Subject, CommonName: c.CommonName, Organization: c.Organization,
		DNSNames: c.DNSNames, IPAddresses: c.IPAddresses, KeyUsage: c.KeyUsage,
		ExtKeyUsage: []x509.ExtKeyUsage{c.ExtKeyUsage}, Duration: c.Life, SignatureAlgorithm: algorithm.X509(),
	}
	template, err := profile.Certificate(entry, c.Key, serial, c.Begin, issuer)
	if err != nil {
		return nil, err
	}
	leaf := &kubepki.Leaf{Authority: kubepki.KubernetesAuthority, CommonName: c.CommonName,
		Organization: c.Organization,
		DNSNames:     c.DNSNames, IPAddresses: c.IPAddresses, KeyUsage: c.KeyUsage, ExtKeyUsage: entry.ExtKeyUsage}
	return s.checker.Check(template, issuer, issuer.PublicKey, c.Key, lint.Context{
		Name: c.Subject, Kind: lint.Leaf, Authority: kubepki.KubernetesAuthority, Leaf: leaf, Used: s.used,
	})
}
