package lint_test

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"officiant/bundle/kubepki"
	"officiant/ceremony/lint"
)

// crl signs a revocation list of the etcd authority.
func (w *world) crl(list *x509.RevocationList, issuer *x509.Certificate, key crypto.Signer) *x509.RevocationList {
	w.t.Helper()
	der, err := x509.CreateRevocationList(rand.Reader, list, issuer, key)
	if err != nil {
		w.t.Fatal(err)
	}
	parsed, err := x509.ParseRevocationList(der)
	if err != nil {
		w.t.Fatal(err)
	}
	return parsed
}

func goodCRL(t *testing.T) *x509.RevocationList {
	entry := func(code int) x509.RevocationListEntry {
		return x509.RevocationListEntry{SerialNumber: serial(t), RevocationTime: start.AddDate(0, 1, 0), ReasonCode: code}
	}
	return &x509.RevocationList{
		Number: big.NewInt(3), ThisUpdate: start.AddDate(0, 1, 0), NextUpdate: start.AddDate(0, 4, 0), SignatureAlgorithm: x509.ECDSAWithSHA256,
		RevokedCertificateEntries: []x509.RevocationListEntry{entry(1), entry(4)},
	}
}

func TestCRL(t *testing.T) {
	w := newWorld(t, kubepki.Cluster{Name: "demo", KubernetesVersion: kubepki.Newest(), ControlPlaneEndpoint: "api.example:6443"})
	in := lint.CRLContext{Name: "crl etcd", Authority: kubepki.EtcdAuthority, Issuer: w.certs[kubepki.EtcdAuthority], Former: big.NewInt(2)}
	empty := goodCRL(t)
	empty.RevokedCertificateEntries = nil
	for _, list := range []*x509.RevocationList{goodCRL(t), empty} {
		if f := lint.CRL(w.crl(list, in.Issuer, w.key), in); len(f) > 0 {
			t.Errorf("findings in a good list: %v", f)
		}
	}
	for _, tt := range []struct {
		rule   string
		change func(l *x509.RevocationList, in *lint.CRLContext)
	}{
		{"k8s_crl_issuer", func(_ *x509.RevocationList, in *lint.CRLContext) { in.Issuer = w.certs[kubepki.KubernetesAuthority] }},
		{"k8s_crl_issuer", func(_ *x509.RevocationList, in *lint.CRLContext) { in.Issuer = nil }},
		{"k8s_crl_issuer", func(_ *x509.RevocationList, in *lint.CRLContext) {
			other := *in.Issuer
			other.KeyUsage = x509.KeyUsageCertSign
			in.Issuer = &other
		}},
		{"k8s_crl_issuer", func(_ *x509.RevocationList, in *lint.CRLContext) {
			other := *in.Issuer
			other.SubjectKeyId = []byte("another key")
			in.Issuer = &other
		}},
		{"k8s_crl_signature_algorithm", func(_ *x509.RevocationList, in *lint.CRLContext) {
			other := *in.Issuer
			other.PublicKey = "none"
			in.Issuer = &other
		}},
		{"k8s_crl_number", func(_ *x509.RevocationList, in *lint.CRLContext) { in.Former = big.NewInt(3) }},
		{"k8s_crl_number", func(l *x509.RevocationList, in *lint.CRLContext) { l.Number, in.Former = big.NewInt(0), nil }},
		{"k8s_crl_update", func(l *x509.RevocationList, in *lint.CRLContext) { l.NextUpdate = in.Issuer.NotAfter.Add(time.Second) }},
		{"k8s_crl_update", func(l *x509.RevocationList, in *lint.CRLContext) {
			l.ThisUpdate = in.Issuer.NotBefore.Add(-time.Second)
			l.RevokedCertificateEntries = nil
		}},
		{"k8s_crl_update", func(l *x509.RevocationList, _ *lint.CRLContext) { l.NextUpdate = l.ThisUpdate.Add(time.Millisecond) }},
		{"k8s_crl_extension", func(l *x509.RevocationList, _ *lint.CRLContext) {
			l.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 28}, Value: []byte{0x30, 0}}} // issuing distribution point
		}},
		{"k8s_crl_extension", func(l *x509.RevocationList, _ *lint.CRLContext) {
			l.RevokedCertificateEntries[0].ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 29}, Critical: true, Value: []byte{0x30, 0}}} // another issuer's
		}},
		{"k8s_crl_serial", func(l *x509.RevocationList, _ *lint.CRLContext) {
			l.RevokedCertificateEntries[1].SerialNumber = l.RevokedCertificateEntries[0].SerialNumber
		}},
		{"k8s_crl_serial", func(l *x509.RevocationList, in *lint.CRLContext) {
			l.RevokedCertificateEntries[1].SerialNumber = in.Issuer.SerialNumber
		}},
		{"k8s_crl_date", func(l *x509.RevocationList, _ *lint.CRLContext) {
			l.RevokedCertificateEntries[1].RevocationTime = l.ThisUpdate.Add(time.Second)
		}},
		{"k8s_crl_reason", func(l *x509.RevocationList, _ *lint.CRLContext) { l.RevokedCertificateEntries[0].ReasonCode = 0 }},
		{"k8s_crl_reason", func(l *x509.RevocationList, _ *lint.CRLContext) { l.RevokedCertificateEntries[0].ReasonCode = 6 }},
		{"k8s_crl_reason", func(l *x509.RevocationList, _ *lint.CRLContext) { l.RevokedCertificateEntries[0].ReasonCode = 2 }},
		{"k8s_crl_reason", func(_ *x509.RevocationList, in *lint.CRLContext) { in.Authority = kubepki.Root }},
		{"e_crl_has_valid_reason_code", func(l *x509.RevocationList, _ *lint.CRLContext) { l.RevokedCertificateEntries[0].ReasonCode = 7 }},
	} {
		list, changed := goodCRL(t), in
		tt.change(list, &changed)
		findings := lint.CRL(w.crl(list, in.Issuer, w.key), changed)
		if !slices.ContainsFunc(findings, func(f lint.Finding) bool {
			return f.Rule == tt.rule && f.Problem != "" && f.Citation != "" && strings.HasPrefix(f.String(), "crl etcd: ")
		}) {
			t.Errorf("%s: %v", tt.rule, findings)
		}
	}
}
