package issue_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"officiant/bundle/kubepki"
	"officiant/ceremony/issue"
	"officiant/ceremony/lint"
	"officiant/signer"
)

func (w *world) list() *x509.RevocationList {
	return &x509.RevocationList{
		SignatureAlgorithm: w.algorithm, Number: big.NewInt(2), ThisUpdate: start, NextUpdate: start.AddDate(0, 3, 0),
		RevokedCertificateEntries: []x509.RevocationListEntry{{SerialNumber: serial(w.t), RevocationTime: start, ReasonCode: 1}},
	}
}

func listContext() lint.CRLContext {
	return lint.CRLContext{Name: "crl kubernetes", Authority: kubepki.KubernetesAuthority, Former: big.NewInt(1)}
}

func TestCRL(t *testing.T) {
	for _, a := range []signer.Algorithm{signer.ECDSAP256, signer.ECDSAP384, signer.ECDSAP521, signer.RSA3072} {
		w := newWorld(t, signer.ECDSAP521, a)
		checked, err := w.checker.CheckCRL(w.list(), w.issuer, w.key.Public(), listContext())
		if err != nil {
			t.Fatal(err)
		}
		if checked.Name() != "crl kubernetes" || w.key.asked.Load() != 0 {
			t.Errorf("name %q, the key was asked %d times", checked.Name(), w.key.asked.Load())
		}
		der, err := issue.SignCRL(context.Background(), checked, w.key)
		if err != nil {
			t.Fatal(err)
		}
		list, err := x509.ParseRevocationList(der)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(list.RawTBSRevocationList, checked.TBS()) || list.CheckSignatureFrom(w.issuer) != nil || list.Number.Int64() != 2 {
			t.Errorf("%s: not the list that was checked, signed by its issuer", a)
		}
	}
}

// What CheckCRL refuses, no token is asked for; what a device gives back is looked at.
func TestCRLRefuses(t *testing.T) {
	w := newWorld(t, signer.ECDSAP384, signer.ECDSAP256)
	other := newDevice(t, signer.ECDSAP256)
	for name, tt := range map[string]struct {
		change func(l *x509.RevocationList)
		issuer *x509.Certificate
		key    crypto.PublicKey
		want   string
	}{
		"a lint finding":                {change: func(l *x509.RevocationList) { l.Number = big.NewInt(1) }, want: "k8s_crl_number"},
		"no algorithm":                  {change: func(l *x509.RevocationList) { l.SignatureAlgorithm = 0 }, want: "is not supported"},
		"an algorithm of another key":   {change: func(l *x509.RevocationList) { l.SignatureAlgorithm = x509.SHA256WithRSA }, want: "does not match private key type"},
		"another key than the issuer's": {key: other.Public(), want: "not the one its certificate holds"},
		"another issuer":                {issuer: w.root, want: "not the one its certificate holds"},
		"no number":                     {change: func(l *x509.RevocationList) { l.Number = nil }, want: "crl kubernetes: x509"},
	} {
		list := w.list()
		if tt.change != nil {
			tt.change(list)
		}
		if tt.key == nil {
			tt.key = w.key.Public()
		}
		if tt.issuer == nil {
			tt.issuer = w.issuer
		}
		if c, err := w.checker.CheckCRL(list, tt.issuer, tt.key, listContext()); c != nil || err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	ctx := context.Background()
	for _, c := range []*issue.CheckedCRL{nil, {}} {
		if der, err := issue.SignCRL(ctx, c, w.key); der != nil || !errors.Is(err, issue.ErrNotChecked) {
			t.Errorf("what was not checked: %v", err)
		}
	}
	checked, err := w.checker.CheckCRL(w.list(), w.issuer, w.key.Public(), listContext())
	if err != nil {
		t.Fatal(err)
	}
	if der, err := issue.SignCRL(ctx, checked, other); der != nil || err == nil || other.asked.Load() > 0 {
		t.Errorf("another key was asked: %v", err)
	}
	w.key.sign = func(_ context.Context, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
		return other.Signer.Sign(nil, digest, opts)
	}
	if der, err := issue.SignCRL(ctx, checked, w.key); der != nil || !errors.Is(err, issue.ErrWrongSignature) || !strings.Contains(err.Error(), w.key.label) {
		t.Errorf("another key's signature: %v", err)
	}
	late, cancel := context.WithDeadline(ctx, time.Now().Add(-time.Second))
	defer cancel()
	if der, err := issue.SignCRL(late, checked, w.key); der != nil || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("after the deadline: %v", err)
	}
}
