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
		rule, says string
		change     func(l *x509.RevocationList, in *lint.CRLContext)
	}{
		{"k8s_crl_issuer", "issuer name is not the issuer's subject",
			func(_ *x509.RevocationList, in *lint.CRLContext) { in.Issuer = w.certs[kubepki.KubernetesAuthority] }},
		{"k8s_crl_issuer", "the issuer's certificate is not known",
			func(_ *x509.RevocationList, in *lint.CRLContext) { in.Issuer = nil }},
		{"k8s_crl_issuer", "the issuer may not sign revocation lists",
			func(_ *x509.RevocationList, in *lint.CRLContext) {
				other := *in.Issuer
				other.KeyUsage = x509.KeyUsageCertSign
				in.Issuer = &other
			}},
		{"k8s_crl_issuer", "authority key identifier is not the issuer's",
			func(_ *x509.RevocationList, in *lint.CRLContext) {
				other := *in.Issuer
				other.SubjectKeyId = []byte("another key")
				in.Issuer = &other
			}},
		{"k8s_crl_signature_algorithm", "does not fit the issuer's key (neither ECDSA nor RSA)",
			func(_ *x509.RevocationList, in *lint.CRLContext) {
				other := *in.Issuer
				other.PublicKey = "none"
				in.Issuer = &other
			}},
		{"k8s_crl_number", "its number 3 is not above 3, which was used before",
			func(_ *x509.RevocationList, in *lint.CRLContext) { in.Former = big.NewInt(3) }},
		{"k8s_crl_number", "there is no positive number",
			func(l *x509.RevocationList, in *lint.CRLContext) { l.Number, in.Former = big.NewInt(0), nil }},
		{"k8s_crl_update", "the next update is due 2036-11-23T12:00:01Z, after the issuer ends (2036-11-23T12:00:00Z)",
			func(l *x509.RevocationList, in *lint.CRLContext) { l.NextUpdate = in.Issuer.NotAfter.Add(time.Second) }},
		{"k8s_crl_update", "it is dated 2026-11-23T11:59:59Z, before the issuer begins (2026-11-23T12:00:00Z)",
			func(l *x509.RevocationList, in *lint.CRLContext) {
				l.ThisUpdate = in.Issuer.NotBefore.Add(-time.Second)
				l.RevokedCertificateEntries = nil
			}},
		{"k8s_crl_update", "the next update is not after this one",
			func(l *x509.RevocationList, _ *lint.CRLContext) { l.NextUpdate = l.ThisUpdate.Add(time.Millisecond) }},
		{"k8s_crl_extension", "extension 2.5.29.28 is in no profile", func(l *x509.RevocationList, _ *lint.CRLContext) {
			l.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 28}, Value: []byte{0x30, 0}}} // issuing distribution point
		}},
		{"k8s_crl_extension", "has extension 2.5.29.29, critical true; only a reason belongs there",
			func(l *x509.RevocationList, _ *lint.CRLContext) {
				l.RevokedCertificateEntries[0].ExtraExtensions = []pkix.Extension{ // another issuer's
					{Id: asn1.ObjectIdentifier{2, 5, 29, 29}, Critical: true, Value: []byte{0x30, 0}},
				}
			}},
		{"k8s_crl_serial", " is there twice", func(l *x509.RevocationList, _ *lint.CRLContext) {
			l.RevokedCertificateEntries[1].SerialNumber = l.RevokedCertificateEntries[0].SerialNumber
		}},
		{"k8s_crl_serial", " is the issuer's own", func(l *x509.RevocationList, in *lint.CRLContext) {
			l.RevokedCertificateEntries[1].SerialNumber = in.Issuer.SerialNumber
		}},
		{"k8s_crl_date", " is revoked as of 2026-12-23T12:00:01Z, after the list's own date",
			func(l *x509.RevocationList, _ *lint.CRLContext) {
				l.RevokedCertificateEntries[1].RevocationTime = l.ThisUpdate.Add(time.Second)
			}},
		{"k8s_crl_reason", ": reason unspecified says nothing",
			func(l *x509.RevocationList, _ *lint.CRLContext) { l.RevokedCertificateEntries[0].ReasonCode = 0 }},
		{"k8s_crl_reason", ": reason certificateHold can be undone",
			func(l *x509.RevocationList, _ *lint.CRLContext) { l.RevokedCertificateEntries[0].ReasonCode = 6 }},
		{"k8s_crl_reason", ": cACompromise on a list of the etcd authority",
			func(l *x509.RevocationList, _ *lint.CRLContext) { l.RevokedCertificateEntries[0].ReasonCode = 2 }},
		{"k8s_crl_reason", ": keyCompromise on a list of the root authority",
			func(_ *x509.RevocationList, in *lint.CRLContext) { in.Authority = kubepki.Root }},
		{"e_crl_has_valid_reason_code", "Reason code, 7, not included in RFC 5280 section 5.3.1",
			func(l *x509.RevocationList, _ *lint.CRLContext) { l.RevokedCertificateEntries[0].ReasonCode = 7 }},
	} {
		list, changed := goodCRL(t), in
		tt.change(list, &changed)
		findings := lint.CRL(w.crl(list, in.Issuer, w.key), changed)
		if !slices.ContainsFunc(findings, func(f lint.Finding) bool {
			return f.Rule == tt.rule && strings.Contains(f.Problem, tt.says) && f.Citation != "" &&
				strings.HasPrefix(f.String(), "crl etcd: ")
		}) {
			t.Errorf("%s did not say %q; findings: %v", tt.rule, tt.says, findings)
		}
	}
	for _, tt := range []struct { // what crypto/x509 does not make
		rule, says string
		change     func(l *x509.RevocationList)
	}{
		{"zlint_parse", "malformed crl", func(l *x509.RevocationList) { l.Raw = l.Raw[:len(l.Raw)-1] }},
		{"k8s_crl_number", "the number is longer than 20 octets",
			func(l *x509.RevocationList) { l.Number = new(big.Int).Lsh(big.NewInt(1), 159) }},
		{"k8s_crl_serial", "0 is not a serial number",
			func(l *x509.RevocationList) { l.RevokedCertificateEntries[0].SerialNumber = big.NewInt(0) }},
	} {
		list := w.crl(goodCRL(t), in.Issuer, w.key)
		tt.change(list)
		refuses(t, tt.rule, tt.says, lint.CRL(list, in))
	}
}
