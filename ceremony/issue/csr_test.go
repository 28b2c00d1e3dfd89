package issue_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"testing"

	"officiant/ceremony/issue"
)

// TestRequest has keys of each kind sign requests for themselves, and no other
// key for any of them.
func TestRequest(t *testing.T) {
	checker, ctx := issue.NewChecker(rand.Reader), context.Background()
	for a, algorithm := range algorithms {
		key, other := newDevice(t, a), newDevice(t, a)
		template := &x509.CertificateRequest{
			Subject: pkix.Name{CommonName: "kubernetes", Organization: []string{"demo"}}, SignatureAlgorithm: algorithm,
			ExtraExtensions: []pkix.Extension{{Id: []int{2, 5, 29, 19}, Critical: true, Value: []byte{0x30, 0x03, 0x01, 0x01, 0xff}}},
		}
		checked, err := checker.CheckRequest("csr kubernetes", template, key.Public())
		if err != nil {
			t.Fatal(err)
		}
		if key.asked.Load() != 0 {
			t.Fatal("the key was asked before anything was on record")
		}
		der, err := issue.SignRequest(ctx, checked, key)
		if err != nil {
			t.Fatal(err)
		}
		csr, err := x509.ParseCertificateRequest(der)
		if err != nil || csr.CheckSignature() != nil || !bytes.Equal(csr.RawTBSCertificateRequest, checked.TBS()) {
			t.Errorf("%s: %v, or not what was checked", a, err)
		}
		if csr.Subject.CommonName != "kubernetes" || len(csr.Extensions) != 1 || !csr.Extensions[0].Critical {
			t.Errorf("%s: %s, %v", a, csr.Subject, csr.Extensions)
		}
		if der, err := issue.SignRequest(ctx, checked, other); der != nil || err == nil || other.asked.Load() != 0 {
			t.Errorf("%s: another key was asked", a)
		}
		liar := &device{Signer: key.Signer, label: "demo/kubernetes", sign: other.SignContext}
		if der, err := issue.SignRequest(ctx, checked, liar); der != nil || !errors.Is(err, issue.ErrWrongSignature) {
			t.Errorf("%s: a wrong signature: %v", a, err)
		}
	}
	if _, err := issue.SignRequest(ctx, &issue.CheckedRequest{}, newDevice(t, "ECDSA-P256")); !errors.Is(err, issue.ErrNotChecked) {
		t.Errorf("a request that was not checked: %v", err)
	}
	if _, err := checker.CheckRequest("csr kubernetes", &x509.CertificateRequest{SignatureAlgorithm: x509.PureEd25519}, newDevice(t, "ECDSA-P256").Public()); err == nil {
		t.Error("an algorithm that no token is asked for")
	}
}
