package signer

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"io"
	"strings"
	"testing"

	"officiant/bundle/limittest"
)

// softKey is a key in memory that says what it is told to say of itself.
type softKey struct {
	crypto.Signer
	public crypto.PublicKey
}

func (k softKey) Public() crypto.PublicKey { return k.public }
func (k softKey) Info() Info               { return Info{Label: "demo/root"} }
func (k softKey) SignContext(_ context.Context, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return k.Sign(rand.Reader, digest, opts)
}

func ecKey(t *testing.T, c elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(c, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func rsaKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestAlgorithms(t *testing.T) {
	p256, p384, p521, r := ecKey(t, elliptic.P256()), ecKey(t, elliptic.P384()), ecKey(t, elliptic.P521()), rsaKey(t)
	for _, c := range []struct {
		pub  crypto.PublicKey
		want Algorithm
		hash crypto.Hash
	}{
		{&p256.PublicKey, ECDSAP256, crypto.SHA256},
		{&p384.PublicKey, ECDSAP384, crypto.SHA384},
		{&p521.PublicKey, ECDSAP521, crypto.SHA512},
		{&r.PublicKey, RSA2048, crypto.SHA256},
	} {
		got, err := AlgorithmOf(c.pub)
		if err != nil || got != c.want || HashFor(c.pub) != c.hash {
			t.Errorf("%s: %s, %v, hash %s", c.want, got, err, HashFor(c.pub))
		}
		if parsed, err := ParseAlgorithm(string(got)); err != nil || parsed != got {
			t.Errorf("%s: parsed as %q, %v", got, parsed, err)
		}
	}
	small, _ := rsa.GenerateKey(rand.Reader, 2056)
	p224 := ecKey(t, elliptic.P224())
	ed, _, _ := ed25519.GenerateKey(rand.Reader)
	for _, pub := range []crypto.PublicKey{nil, ed, &p224.PublicKey, &small.PublicKey, &ecdsa.PublicKey{}, &rsa.PublicKey{}, p256} {
		if a, err := AlgorithmOf(pub); err == nil || HashFor(pub) != 0 {
			t.Errorf("%T is %s with %s", pub, a, HashFor(pub))
		}
	}
	for _, s := range []string{"", "ecdsa-p256", "ECDSA-P224", "RSA-1024", "RSA-2048 ", "Ed25519"} {
		if a, err := ParseAlgorithm(s); err == nil || a != "" || !strings.Contains(err.Error(), "ECDSA-P256") {
			t.Errorf("%q: %q, %v", s, a, err)
		}
	}
}

func TestCheckDigest(t *testing.T) {
	ec, r := &ecKey(t, elliptic.P384()).PublicKey, &rsaKey(t).PublicKey
	pss := func(salt int, h crypto.Hash) crypto.SignerOpts { return &rsa.PSSOptions{SaltLength: salt, Hash: h} }
	for _, c := range []struct {
		name   string
		pub    crypto.PublicKey
		digest int
		opts   crypto.SignerOpts
		want   string // part of the error; empty: accepted
	}{
		{"own hash", ec, 48, crypto.SHA384, ""},
		{"smaller hash", ec, 32, crypto.SHA256, ""},
		{"larger hash", ec, 64, crypto.SHA512, ""},
		{"RSA", r, 32, crypto.SHA256, ""},
		{"PSS", r, 32, pss(rsa.PSSSaltLengthEqualsHash, crypto.SHA256), ""},
		{"PSS, automatic", r, 64, pss(rsa.PSSSaltLengthAuto, crypto.SHA512), ""},
		{"PSS, in bytes", r, 48, pss(48, crypto.SHA384), ""},
		{"no options", ec, 48, nil, "no hash"},
		{"no hash", ec, 48, crypto.Hash(0), "not one of"},
		{"SHA-1", r, 20, crypto.SHA1, "not one of"},
		{"SHA-512/256", r, 32, crypto.SHA512_256, "not one of"},
		{"SHA3-256", r, 32, crypto.SHA3_256, "not one of"},
		{"unknown hash", r, 32, crypto.Hash(99), "not one of"},
		{"short", r, 31, crypto.SHA256, "31 bytes"},
		{"long", r, 33, crypto.SHA256, "33 bytes"},
		{"empty", ec, 0, crypto.SHA384, "0 bytes"},
		{"of another hash", ec, 32, crypto.SHA384, "32 bytes"},
		{"PSS without a hash", r, 32, pss(rsa.PSSSaltLengthEqualsHash, 0), "not one of"},
		{"PSS, odd salt", r, 32, pss(20, crypto.SHA256), "salt of 20"},
		{"PSS, negative salt", r, 32, pss(-7, crypto.SHA256), "salt of -7"},
		{"PSS with ECDSA", ec, 32, pss(32, crypto.SHA256), "RSA-PSS options"},
		{"Ed25519", ed25519.PublicKey(make([]byte, 32)), 32, crypto.SHA256, "Ed25519 key"},
		{"no key", nil, 32, crypto.SHA256, "an algorithm that is not read"},
	} {
		err := CheckDigest(c.pub, make([]byte, c.digest), c.opts)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

func TestAtLeast(t *testing.T) {
	order := []Grade{Unproven, Software, Consistent, Attested}
	for i, g := range order {
		for j, o := range order {
			if got := g.AtLeast(o); got != (i >= j) {
				t.Errorf("%s at least %s: %v", g, o, got)
			}
		}
		for _, bad := range []Grade{"", "Attested", "hardware"} {
			if g.AtLeast(bad) || bad.AtLeast(g) || bad.AtLeast(bad) {
				t.Errorf("%q compares with %s", bad, g)
			}
		}
	}
}

func TestChallenge(t *testing.T) {
	nonce := bytes.Repeat([]byte{7}, NonceSize)
	r := rsaKey(t)
	for name, s := range map[string]crypto.Signer{"P-256": ecKey(t, elliptic.P256()), "P-384": ecKey(t, elliptic.P384()), "P-521": ecKey(t, elliptic.P521()), "RSA": r} {
		sig, err := Challenge(t.Context(), softKey{s, s.Public()}, s.Public(), nonce)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		other := ecKey(t, elliptic.P256())
		for what, err := range map[string]error{
			"another nonce":     VerifyChallenge(s.Public(), bytes.Repeat([]byte{8}, NonceSize), sig),
			"another key":       VerifyChallenge(&other.PublicKey, nonce, sig),
			"a short nonce":     VerifyChallenge(s.Public(), nonce[1:], sig),
			"no signature":      VerifyChallenge(s.Public(), nonce, nil),
			"a cut signature":   VerifyChallenge(s.Public(), nonce, sig[:len(sig)-1]),
			"a key of no kind":  VerifyChallenge(nil, nonce, sig),
			"a long signature":  VerifyChallenge(s.Public(), nonce, append(bytes.Clone(sig), 0)),
			"one bit different": VerifyChallenge(s.Public(), nonce, append(bytes.Clone(sig[:len(sig)-1]), sig[len(sig)-1]^1)),
		} {
			if err == nil {
				t.Errorf("%s: %s verifies", name, what)
			}
		}
	}

	// A key that signs, but not with the private half of what is expected.
	mine, theirs := ecKey(t, elliptic.P256()), ecKey(t, elliptic.P256())
	if _, err := Challenge(t.Context(), softKey{mine, &mine.PublicKey}, &theirs.PublicKey, nonce); err == nil || !strings.Contains(err.Error(), "demo/root") {
		t.Errorf("another public key: %v", err)
	}
	if _, err := Challenge(t.Context(), softKey{mine, &theirs.PublicKey}, &theirs.PublicKey, nonce); err == nil || !strings.Contains(err.Error(), "does not verify") {
		t.Errorf("a lying handle: %v", err)
	}
	if _, err := Challenge(t.Context(), softKey{mine, &mine.PublicKey}, &mine.PublicKey, make([]byte, 16)); err == nil {
		t.Error("a short nonce is taken")
	}
	failing := softKey{failingSigner{mine}, &mine.PublicKey}
	if _, err := Challenge(t.Context(), failing, &mine.PublicKey, nonce); err == nil || !strings.Contains(err.Error(), io.ErrClosedPipe.Error()) {
		t.Errorf("a failing key: %v", err)
	}
}

type failingSigner struct{ crypto.Signer }

func (failingSigner) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, io.ErrClosedPipe
}

// TestChallengeStatement holds the bytes auditors rebuild.
func TestChallengeStatement(t *testing.T) {
	pub := &ecKey(t, elliptic.P256()).PublicKey
	spki, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	nonce := bytes.Repeat([]byte{7}, NonceSize)
	want := append(append([]byte("officiant challenge v1\n"), nonce...), spki...)
	if got := ChallengeStatement(nonce, spki); !bytes.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestTokenOf(t *testing.T) {
	const token = "pkcs11:serial=0123;token=officiant-root?module-path=%2Fusr%2Flib%2Fa.so&pin-source=file%3A%2Fp"
	for _, uri := range []string{
		"pkcs11:token=officiant-root;serial=0123?module-path=/usr/lib/a.so&pin-source=file:/p",
		"pkcs11:token=officiant-root;object=demo/root;serial=0123?module-path=/usr/lib/a.so&pin-source=file:/p",
		"pkcs11:serial=0123;id=%01%02;type=private;token=officiant%2droot?pin-source=file:/p&module-path=%2Fusr/lib/a.so",
		"PKCS11:serial=0123;token=officiant-root?module-path=/usr/lib/a.so&pin-source=file:/p",
	} {
		if got, err := TokenOf(uri); err != nil || got != token {
			t.Errorf("%s: %s, %v", uri, got, err)
		}
	}
	for a, b := range map[string]string{
		"pkcs11:token=a":                "pkcs11:token=b",
		"pkcs11:token=a?module-path=/a": "pkcs11:token=a?module-path=/b",
		"pkcs11:token=a%20b":            "pkcs11:token=a+b",
		"awskms:///?region=a":           "awskms:///?region=b",
	} {
		x, errX := TokenOf(a)
		y, errY := TokenOf(b)
		if errX != nil || errY != nil || x == y {
			t.Errorf("%s, %s: %s, %s, %v, %v", a, b, x, y, errX, errY)
		}
	}
	const kms = "awskms:///?endpoint=https%3A%2F%2Fkms.example&region=eu-central-1"
	for uri, want := range map[string]string{
		"awskms:///": "awskms:///",
		"AWSKMS:///alias/a?endpoint=https://kms.example/&policy=/a&region=eu-central-1":            kms,
		"awskms:///?region=eu%2Dcentral-1&endpoint=https://kms.example":                            kms,
		"awskms:///arn:aws:kms:eu-central-1:111122223333:key/1?endpoint=https%3a%2f%2fkms.example": kms,
		"awskms:///alias/a":                "awskms:///",
		"awskms://host/a":                  "awskms://host/a",
		"gcpkms://projects/p;object=b/k/1": "gcpkms://projects/p;object=b/k/1",
	} {
		if got, err := TokenOf(uri); err != nil || got != want {
			t.Errorf("%s: %s, %v", uri, got, err)
		}
	}
	for _, uri := range []string{"", "token", ":token=a", "pkcs11:token", "pkcs11:token=a;;serial=b", "pkcs11:token=%zz",
		"awskms:///?region", "awskms:///?pin-value=1234", "pkcs11:token=a?pin-value=1234", "pkcs11:pin-value=1234", "pkcs11:token=a?module-path", "pkcs11:=a"} {
		got, err := TokenOf(uri)
		if err == nil || strings.Contains(err.Error(), "1234") {
			t.Errorf("%q: %q, %v", uri, got, err)
		}
	}
}

// FuzzTokenOf: the token of a token is itself.
func FuzzTokenOf(f *testing.F) {
	f.Add("pkcs11:token=a;serial=b;object=c?module-path=/x")
	f.Add("awskms:///arn:aws:kms:a:1:key/2?endpoint=b/")
	f.Add("pkcs11:?x=%2B+")
	f.Add("Awskms:///arn::: ::") // a Region of a blank
	f.Fuzz(func(t *testing.T, uri string) {
		defer limittest.Budget(t)()
		token, err := TokenOf(uri)
		if err != nil {
			return
		}
		again, err := TokenOf(token)
		if err != nil || again != token {
			t.Errorf("%q: %q, then %q, %v", uri, token, again, err)
		}
	})
}
