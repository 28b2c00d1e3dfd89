package gcpkms

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"strings"
	"testing"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/signer"
	"officiant/signer/gcpkms/gcpkmstest"
)

// TestOtherAnswers: an answer about another resource than was asked for is not taken.
func TestOtherAnswers(t *testing.T) {
	for method, c := range map[string]struct {
		fault gcpkmstest.Fault
		says  string
	}{
		"CreateKeyRing": {gcpkmstest.OtherName,
			"CreateKeyRing projects/officiant-test/locations/europe-west3/keyRings/room: the answer is about "},
		"CreateCryptoKey": {gcpkmstest.OtherName, "/cryptoKeys/demo-root: the answer is about "},
	} {
		fake := gcpkmstest.New(t)
		s := openQuick(t, fake.Ring("room"))
		fake.BreakOnly(method, c.fault)
		_, err := s.Create(t.Context(), signer.Ref{URI: fake.Ring("room"), Label: "demo/root"},
			signer.Spec{Algorithm: signer.ECDSAP256}, newID(t))
		refuses(t, err, nil, method, c.says)
	}
	fake, s, _, _ := made(t, signer.ECDSAP256)
	fake.BreakOnly("GetKeyRing", gcpkmstest.OtherName)
	_, err := s.Create(t.Context(), signer.Ref{URI: fake.Ring("room"), Label: "demo/next"},
		signer.Spec{Algorithm: signer.ECDSAP256}, newID(t))
	refuses(t, err, nil,
		"GetKeyRing projects/officiant-test/locations/europe-west3/keyRings/room: the answer is about ")
	fake = gcpkmstest.New(t)
	s = openQuick(t, fake.Ring("room"))
	ref := signer.Ref{URI: fake.Ring("room"), Label: "demo/root"}
	fake.BreakOnly("CreateKeyRing", gcpkmstest.Unknown)
	_, err = s.Create(t.Context(), ref, signer.Spec{Algorithm: signer.ECDSAP256}, newID(t))
	refuses(t, err, signer.ErrNotFound, "no project officiant-test, or no location europe-west3 in it: ")
	fake.Break(gcpkmstest.OtherAlgorithm)
	_, err = s.Create(t.Context(), ref, signer.Spec{Algorithm: signer.ECDSAP256}, newID(t))
	refuses(t, err, nil, "made, but cannot be used: Google made a key of ECDSA-P384, not ECDSA-P256")
}

// TestDestroyAnswers: a version is destroyed when Google says so of this one.
func TestDestroyAnswers(t *testing.T) {
	for fault, says := range map[gcpkmstest.Fault]string{
		gcpkmstest.OtherName: "/cryptoKeyVersions/1: the answer is about ",
		gcpkmstest.NotDone:   "/cryptoKeyVersions/1: answers that it is ENABLED",
	} {
		fake, s, k, id := made(t, signer.ECDSAP256)
		spki, err := fingerprint.SPKI(k.Public())
		if err != nil {
			t.Fatal(err)
		}
		fake.BreakOnly("DestroyCryptoKeyVersion", fault)
		_, err = s.Destroy(t.Context(), signer.Ref{URI: fake.Ring("room"), Label: "demo/root"}, id, spki)
		refuses(t, err, nil, "DestroyCryptoKeyVersion ", says)
	}
}

// TestClosedMeanwhile: a signature that is asked for ends when the store is closed.
func TestClosedMeanwhile(t *testing.T) {
	fake, s, k, _ := made(t, signer.ECDSAP256)
	fake.Break(gcpkmstest.Slow)
	before := fake.Calls("AsymmetricSign")
	go func() {
		for fake.Calls("AsymmetricSign") == before {
			time.Sleep(time.Millisecond)
		}
		s.Close()
	}()
	_, err := k.SignContext(t.Context(), make([]byte, 32), crypto.SHA256)
	refuses(t, err, signer.ErrUnavailable, "AsymmetricSign ", ": closed")
}

// TestNoCredentials: Google's own endpoint is not called without any.
func TestNoCredentials(t *testing.T) {
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", "/absent/credentials.json")
	_,
		err := Open(t.Context(),
		signer.Ref{URI: "gcpkms://projects/officiant-test/locations/europe-west3/keyRings/room"}, nil)
	refuses(t, err, signer.ErrUnavailable, "no connection", "/absent/credentials.json",
		"next: gcloud auth application-default login")
}

// TestNoSuchKey: what Google has no digest or statement for is refused by its kind.
func TestNoSuchKey(t *testing.T) {
	p521, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, err = digestOf(p521.Public(), make([]byte, 64), crypto.SHA512)
	refuses(t, err, nil, "no such digest in Google Cloud KMS")
	edwards, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s, err := parseStatement(gcpkmstest.Attest(anyKey(t), v2, nil))
	if err != nil {
		t.Fatal(err)
	}
	refuses(t, s.binds(edwards), nil, "half: no statement is about a ed25519.PublicKey")
}

// TestOneRoot: if the maker and Google were one, one of the two could vouch alone.
func TestOneRoot(t *testing.T) {
	var keys [3]*rsa.PrivateKey
	for i := range keys {
		var err error
		if keys[i], err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
			t.Fatal(err)
		}
	}
	certify := func(name string, pub crypto.PublicKey, by *x509.Certificate, key *rsa.PrivateKey) *x509.Certificate {
		template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
			BasicConstraintsValid: true, IsCA: by == nil}
		if by == nil {
			by = template
		}
		der, err := x509.CreateCertificate(rand.Reader, template, by, pub, key)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return cert
	}
	root := certify("root", keys[0].Public(), nil, keys[0])
	card := certify("card", keys[1].Public(), root, keys[0])
	c := chains{
		maker:           []*x509.Certificate{certify("partition", keys[2].Public(), card, keys[1]), card},
		googleCard:      []*x509.Certificate{certify("card", keys[1].Public(), root, keys[0])},
		googlePartition: []*x509.Certificate{certify("partition", keys[2].Public(), root, keys[0])},
	}
	s := &statement{signed: []byte("a statement")}
	digest := sha256.Sum256(s.signed)
	var err error
	if s.signature, err = rsa.SignPKCS1v15(nil, keys[2], crypto.SHA256, digest[:]); err != nil {
		t.Fatal(err)
	}
	refuses(t, c.verify(s, anchors{root}), errNoAnchor, "maker and Google have one root, so only one of them vouches")
	if err := c.verify(s, anchors{card}); err == nil || strings.Contains(err.Error(), "one root") {
		t.Errorf("without the root: %v", err)
	}
}
