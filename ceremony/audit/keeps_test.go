package audit

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"strings"
	"testing"
	"time"

	"officiant/bundle/kubepki"
	"officiant/ceremony/plan"
	"officiant/ceremony/transcript"
)

// TestKeeps shows that the audit judges what is carried over by itself; the
// plan would have refused all of these before.
func TestKeeps(t *testing.T) {
	now := time.Now()
	ca := func(cn string) (*x509.Certificate, *ecdsa.PrivateKey) {
		key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
		c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: cn}, NotAfter: now.AddDate(9, 0, 0),
			IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
		return must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)))), key
	}
	good, goodKey := ca("kubernetes")
	other, otherKey := ca("kubernetes")
	leaf := func(by *x509.Certificate, key *ecdsa.PrivateKey, end time.Time) *x509.Certificate {
		c := &x509.Certificate{SerialNumber: big.NewInt(2), NotAfter: end}
		return must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, c, by, key.Public(), key))))
	}
	a := &auditor{
		t:      &transcript.Transcript{Lines: []transcript.Line{{Record: transcript.Open{NotBefore: now}}}},
		ledger: &ledger{},
		plan: &plan.Ceremony{
			Plan:         &plan.Plan{Authorities: []plan.Authority{{Name: "kubernetes", Family: kubepki.KubernetesAuthority}}},
			Certificates: map[string]*x509.Certificate{"kubernetes": good},
		},
	}
	of := kubepki.Leaf{Authority: kubepki.KubernetesAuthority}
	if p := a.keeps(leaf(good, goodKey, now.Add(time.Hour)), of); len(p) > 0 {
		t.Errorf("refused: %q", p)
	}
	for says, p := range map[string][]string{
		"the present kubernetes authority did not sign it": a.keeps(leaf(other, otherKey, now.Add(time.Hour)), of),
		"it ended at":                      a.keeps(leaf(good, goodKey, now.Add(-time.Hour)), of),
		"its authority has no certificate": a.keeps(leaf(good, goodKey, now.Add(time.Hour)), kubepki.Leaf{Authority: kubepki.EtcdAuthority}),
	} {
		if len(p) != 1 || !strings.Contains(p[0], says) {
			t.Errorf("%q, want %q", p, says)
		}
	}
}
