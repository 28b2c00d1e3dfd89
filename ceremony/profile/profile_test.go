package profile_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/profile"
	"officiant/ceremony/schedule"
)

var start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func rootEntry() schedule.Entry {
	return schedule.Entry{
		Kind: schedule.RootCertificate, Name: "root", Signer: "root", CommonName: "demo root", Organization: []string{"demo"},
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, IsCA: true, MaxPathLen: 1,
		Duration: 10 * 365 * 24 * time.Hour, SignatureAlgorithm: x509.ECDSAWithSHA256,
	}
}

func authorityEntry() schedule.Entry {
	e := rootEntry()
	e.Kind, e.Name, e.CommonName, e.MaxPathLen = schedule.AuthorityCertificate, "etcd", "etcd-ca", 0
	e.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	return e
}

func leafEntry() schedule.Entry {
	return schedule.Entry{
		Kind: schedule.LeafCertificate, Name: "cp-1/etcd/server", Signer: "etcd", CommonName: "cp-1",
		Organization: []string{"one", "two"},
		DNSNames:     []string{"localhost", "cp-1"},
		IPAddresses:  []netip.Addr{netip.MustParseAddr("10.1.0.10"), netip.MustParseAddr("::1")},
		KeyUsage:     x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		Duration:     365 * 24 * time.Hour, SignatureAlgorithm: x509.ECDSAWithSHA256,
	}
}

// chain makes root, authority and leaf as issue does, and returns them as read back.
func chain(t *testing.T) (root, authority, leaf *x509.Certificate) {
	t.Helper()
	rootKey, authorityKey, leafKey := newKey(t), newKey(t), newKey(t)
	sign := func(e schedule.Entry, pub *ecdsa.PublicKey, issuer *x509.Certificate,
		by *ecdsa.PrivateKey) *x509.Certificate {
		serial, err := profile.Serial(rand.Reader, nil)
		if err != nil {
			t.Fatal(err)
		}
		template, err := profile.Certificate(e, pub, serial, start, issuer)
		if err != nil {
			t.Fatal(err)
		}
		again, err := profile.Certificate(e, pub, serial, start, issuer)
		if err != nil || !reflect.DeepEqual(template, again) {
			t.Error("the same entry gave another template")
		}
		parent := issuer
		if parent == nil {
			parent = template
		}
		der, err := x509.CreateCertificate(rand.Reader, template, parent, pub, by)
		if err != nil {
			t.Fatal(err)
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	root = sign(rootEntry(), &rootKey.PublicKey, nil, rootKey)
	authority = sign(authorityEntry(), &authorityKey.PublicKey, root, rootKey)
	leaf = sign(leafEntry(), &leafKey.PublicKey, authority, authorityKey)
	return root, authority, leaf
}

func TestChain(t *testing.T) {
	root, authority, leaf := chain(t)
	roots, intermediates := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(root)
	intermediates.AddCert(authority)
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: intermediates, DNSName: "cp-1", CurrentTime: start.Add(time.Hour)}); err != nil {
		t.Error(err)
	}
	if !root.IsCA || root.MaxPathLen != 1 || !authority.IsCA || authority.MaxPathLen != 0 || !authority.MaxPathLenZero || leaf.IsCA {
		t.Error("CA flags or path lengths are wrong")
	}
	for _, c := range []*x509.Certificate{root, authority, leaf} {
		if !c.BasicConstraintsValid || !c.NotBefore.Equal(start) {
			t.Errorf("%s: basic constraints %v, from %s", c.Subject, c.BasicConstraintsValid, c.NotBefore)
		}
		for _, e := range c.Extensions {
			// RFC 5280: key usage and basic constraints are critical, the others are not.
			if id := e.Id.String(); e.Critical != (id == "2.5.29.15" || id == "2.5.29.19") {
				t.Errorf("%s: extension %s critical: %v", c.Subject, id, e.Critical)
			}
		}
		if len(c.SubjectKeyId) != 20 {
			t.Errorf("%s: subject key identifier has %d octets", c.Subject, len(c.SubjectKeyId))
		}
	}
	if !bytes.Equal(root.AuthorityKeyId, root.SubjectKeyId) || !bytes.Equal(authority.AuthorityKeyId, root.SubjectKeyId) ||
		!bytes.Equal(leaf.AuthorityKeyId, authority.SubjectKeyId) {
		t.Error("an authority key identifier is not its issuer's")
	}
	if want := start.Add(365 * 24 * time.Hour); !leaf.NotAfter.Equal(want) {
		t.Errorf("leaf ends %s, expected %s", leaf.NotAfter, want)
	}
}

func TestSubject(t *testing.T) {
	_, _, leaf := chain(t)
	var rdns pkix.RDNSequence
	if _, err := asn1.Unmarshal(leaf.RawSubject, &rdns); err != nil {
		t.Fatal(err)
	}
	// One RDN for each attribute, in the order O, O, CN.
	if len(rdns) != 3 || len(rdns[0]) != 1 || len(rdns[1]) != 1 || rdns[2][0].Value != "cp-1" {
		t.Errorf("subject is %v", rdns)
	}
	if !slices.Equal(leaf.Subject.Organization, []string{"one", "two"}) || leaf.Subject.CommonName != "cp-1" {
		t.Errorf("read back as O %q, CN %q", leaf.Subject.Organization, leaf.Subject.CommonName)
	}
}

// RFC 7093, section 2, method 1: the leftmost 160 bits of the SHA-256 of the BIT STRING's value.
func TestSubjectKeyIdentifier(t *testing.T) {
	k := newKey(t)
	template, err := profile.Certificate(rootEntry(), k.Public(), big.NewInt(1), start, nil)
	if err != nil {
		t.Fatal(err)
	}
	point, err := k.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	if sum := sha256.Sum256(point); !bytes.Equal(template.SubjectKeyId, sum[:20]) {
		t.Errorf("%x, expected %x", template.SubjectKeyId, sum[:20])
	}
}

func TestCertificateRefuses(t *testing.T) {
	root, authority, _ := chain(t)
	bare := *authority
	bare.SubjectKeyId = nil
	ed, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		change func(*schedule.Entry)
		pub    any
		issuer *x509.Certificate
		at     time.Time
		reason string
	}{
		"outliving the issuer": {func(e *schedule.Entry) { e.Duration = 11 * 365 * 24 * time.Hour }, nil, authority, start,
			"its issuer etcd-ca only from"},
		"ending a second later": {func(e *schedule.Entry) { e.Duration = 10 * 365 * 24 * time.Hour }, nil, authority,
			start.Add(time.Second), "its issuer"},
		"before the issuer": {func(*schedule.Entry) {}, nil, authority, start.Add(-time.Second), "its issuer"},
		"no duration":       {func(e *schedule.Entry) { e.Duration = 0 }, nil, authority, start, "no lifetime"},
		"no issuer":         {func(*schedule.Entry) {}, nil, nil, start, "without an issuer"},
		"a root with an issuer": {func(e *schedule.Entry) { e.Kind, e.IsCA = schedule.RootCertificate, true }, nil, root,
			start, "without an issuer"},
		"a leaf that is a CA": {func(e *schedule.Entry) { e.IsCA = true }, nil, authority, start, "CA flag"},
		"an issuer without key identifier": {func(*schedule.Entry) {}, nil, &bare, start,
			"no subject key identifier"},
		"an address with a zone": {func(e *schedule.Entry) {
			e.IPAddresses = []netip.Addr{netip.MustParseAddr("fe80::1%eth0")}
		},
			nil, authority, start, "fe80::1%eth0"},
		"an address that is none": {func(e *schedule.Entry) { e.IPAddresses = []netip.Addr{{}} }, nil, authority, start,
			"no place"},
		"an Ed25519 key": {func(*schedule.Entry) {}, ed, authority, start, "neither ECDSA nor RSA"},
		"another key than planned": {func(e *schedule.Entry) { e.SPKI = fingerprint.Of([]byte("x")) }, nil, authority, start,
			"not the one the schedule names"},
		"no signature algorithm": {func(e *schedule.Entry) { e.SignatureAlgorithm = 0 }, nil, authority, start,
			"no signature algorithm"},
	} {
		e := leafEntry()
		tt.change(&e)
		if tt.pub == nil {
			tt.pub = newKey(t).Public()
		}
		_, err := profile.Certificate(e, tt.pub, big.NewInt(1), tt.at, tt.issuer)
		if err == nil || !strings.Contains(err.Error(), tt.reason) {
			t.Errorf("%s: %v, expected %q", name, err, tt.reason)
		}
	}
}

func TestSerial(t *testing.T) {
	seen := map[string]bool{}
	high := 0
	for range 1000 {
		s, err := profile.Serial(rand.Reader, func(n *big.Int) bool { return seen[n.String()] })
		if err != nil {
			t.Fatal(err)
		}
		if s.Sign() <= 0 || len(s.Bytes()) > 16 || s.BitLen() > 127 || seen[s.String()] {
			t.Fatalf("serial %x", s)
		}
		if s.BitLen() == 127 {
			high++
		}
		seen[s.String()] = true
	}
	if high < 400 || high > 600 {
		t.Errorf("the highest bit is set %d times in 1000", high)
	}
	ones := bytes.Repeat([]byte{0xff}, 16)
	twos := bytes.Repeat([]byte{0x22}, 16)
	s, err := profile.Serial(bytes.NewReader(slices.Concat(make([]byte, 16), ones, twos)),
		func(n *big.Int) bool { return n.BitLen() == 127 })
	if err != nil || !bytes.Equal(s.Bytes(), twos) { // neither zero nor one that is used
		t.Errorf("serial %x, %v", s, err)
	}
	if _, err := profile.Serial(bytes.NewReader(make([]byte, 15)), nil); err == nil {
		t.Error("a serial from 15 octets")
	}
	if _, err := profile.Serial(zeros{}, nil); err == nil {
		t.Error("a serial from zeros")
	}
	if _, err := profile.Serial(rand.Reader, func(*big.Int) bool { return true }); err == nil {
		t.Error("a serial although all are used")
	}
	if _, err := profile.Serial(failing{}, nil); err == nil {
		t.Error("a serial without randomness")
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("no randomness") }
