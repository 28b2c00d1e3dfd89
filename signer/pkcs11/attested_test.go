//go:build cgo

package pkcs11

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/pkcs11"

	"officiant/signer"
	"officiant/signer/attestation"
)

// yubikey makes a root, the certificate of a YubiKey's own key, and what that says of pub.
func yubikey(t *testing.T, pub crypto.PublicKey) (root, device, leaf *x509.Certificate) {
	t.Helper()
	arc := asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 41482, 3}
	make := func(name string, of crypto.PublicKey, by *x509.Certificate, key *ecdsa.PrivateKey,
		ext ...pkix.Extension) *x509.Certificate {
		template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
			NotAfter: time.Unix(1<<32, 0), ExtraExtensions: ext}
		if by == nil {
			by = template
		}
		der, err := x509.CreateCertificate(rand.Reader, template, by, of, key)
		if err != nil {
			t.Fatal(err)
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	key := func() *ecdsa.PrivateKey {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	rootKey, deviceKey := key(), key()
	root = make("Maker", rootKey.Public(), nil, rootKey)
	device = make("Yubico PIV Attestation", deviceKey.Public(), root, rootKey)
	leaf = make("YubiKey PIV Attestation 9c", pub, device, deviceKey,
		pkix.Extension{Id: append(arc[:8:8], 3), Value: []byte{5, 7, 2}},
		pkix.Extension{Id: append(arc[:8:8], 8), Value: []byte{3, 2}})
	return root, device, leaf
}

// TestAttested: what the maker says of a key is found in the token and in the file of the
// URI, bound to the key, and makes more of it only where the attributes agree.
func TestAttested(t *testing.T) {
	r := newRoom(t, "root")
	opened, err := Open(t.Context(), r.ref(0, "root"), r.ask)
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	made, err := opened.Create(t.Context(), r.ref(0, "root"), signer.Spec{Algorithm: signer.ECDSAP256}, signer.ID{1})
	if err != nil {
		t.Fatal(err)
	}
	root, device, leaf := yubikey(t, made.Public())
	_, otherDevice, _ := yubikey(t, made.Public())
	s := opened.(*store)
	within(t.Context(), s, s.limits.call, func(h pkcs11.SessionHandle) (any, error) {
		for _, c := range []*x509.Certificate{device, leaf} {
			_, err := s.lib.ctx.CreateObject(h, []*pkcs11.Attribute{
				pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_CERTIFICATE), pkcs11.NewAttribute(pkcs11.CKA_TOKEN,
					true),
				pkcs11.NewAttribute(pkcs11.CKA_CERTIFICATE_TYPE, pkcs11.CKC_X_509),
				pkcs11.NewAttribute(pkcs11.CKA_SUBJECT, c.RawSubject), pkcs11.NewAttribute(pkcs11.CKA_VALUE, c.Raw)})
			if err != nil {
				t.Fatal(err)
			}
		}
		in, err := s.objects.certificates(h)
		if err != nil || len(in) != 2 {
			t.Fatalf("%d certificates in the token, %v", len(in), err)
		}
		for what, c := range map[string]struct {
			among  []*x509.Certificate
			roots  []*x509.Certificate
			before signer.Grade
			after  signer.Grade
			reason string
		}{
			"as it is":         {in, []*x509.Certificate{root}, signer.Consistent, signer.Attested, ""},
			"a software token": {in, []*x509.Certificate{root}, signer.Software, signer.Software, "before"},
			"its word differs": {in, []*x509.Certificate{root}, signer.Unproven, signer.Unproven, "before"},
			"no root":          {in, nil, signer.Consistent, signer.Consistent, "no root that is known"},
			"of another device": {[]*x509.Certificate{leaf, otherDevice}, []*x509.Certificate{root},
				signer.Consistent, signer.Unproven, "proves nothing"},
			"of another key": {[]*x509.Certificate{device}, []*x509.Certificate{root}, signer.Consistent,
				signer.Consistent, "before"},
			"nothing": {nil, nil, signer.Consistent, signer.Consistent, "before"},
		} {
			k := *made.(*key)
			k.info.Grade, k.info.Reason, k.info.Attributes = c.before, "before", map[string]string{}
			s.attestations = c.among
			if err := k.attest(h, attestation.Roots{Certificates: c.roots}); err != nil {
				t.Fatal(err)
			}
			if k.info.Grade != c.after || !strings.Contains(k.info.Reason, c.reason) || c.reason == "" &&
				k.info.Reason != "" {
				t.Errorf("%s: %s, %q", what, k.info.Grade, k.info.Reason)
			}
			if verified := k.info.Attributes["attestation.pin-policy"] == "always"; verified != (c.roots != nil &&
				len(c.among) == 2 &&
				c.among[0] != leaf) {
				t.Errorf("%s: %v", what, k.info.Attributes)
			}
		}
		return nil, nil
	})
}

// TestAttestationFile: a file that the URI names has certificates, and nothing else.
func TestAttestationFile(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	root, _, _ := yubikey(t, key.Public())
	good := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Raw})
	for says, text := range map[string][]byte{
		"":                          good,
		"no certificate in PEM":     []byte("junk"),
		"not certificates alone":    append(good, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY"})...),
		"more than 65536 bytes":     append(good, make([]byte, maxAttestation)...),
		"no such file or directory": nil,
	} {
		a := address{attestation: filepath.Join(t.TempDir(), "attestation.pem")}
		if text != nil {
			if err := os.WriteFile(a.attestation, text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		certs, err := a.attestationsOf()
		if says == "" && (err != nil || len(certs) != 1) || says != "" && (err == nil ||
			!strings.Contains(err.Error(), says)) {
			t.Errorf("%q: %d, %v", says, len(certs), err)
		}
	}
}
