package signertest

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"sync"
	"testing"
	"time"

	"officiant/signer"
)

// checkSignatures signs in every way of the contract. The hash of the key's
// own must work; of the others, what is signed must verify.
func checkSignatures(t *testing.T, ctx context.Context, k signer.Key) {
	t.Helper()
	own := signer.HashFor(k.Public())
	for _, hash := range []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512} {
		opts := []crypto.SignerOpts{hash}
		if _, ok := k.Public().(*rsa.PublicKey); ok {
			opts = append(opts,
				&rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash},
				&rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthAuto, Hash: hash})
		}
		digest := randomDigest(t, hash)
		for _, o := range opts {
			sig, err := k.SignContext(ctx, digest, o)
			switch {
			case err == nil && !verifies(k.Public(), digest, sig, o):
				t.Errorf("%s, %T: the signature does not verify", hash, o)
			case isPSS(o) && errors.Is(err, signer.ErrUnsupported): // a KMS ties one padding to a key
			case err != nil && hash == own:
				t.Errorf("%s, %T: %v", hash, o, err)
			}
		}
	}
	// The crypto.Signer way, as crypto/x509 goes it.
	digest := randomDigest(t, own)
	if sig, err := k.Sign(rand.Reader, digest, own); err != nil || !verifies(k.Public(), digest, sig, own) {
		t.Errorf("Sign: %v, or the signature does not verify", err)
	}
}

func isPSS(o crypto.SignerOpts) bool {
	_, ok := o.(*rsa.PSSOptions)
	return ok
}

// checkRefusals asks for signatures that a device may make without a word and
// nobody can verify.
func checkRefusals(t *testing.T, ctx context.Context, k signer.Key) {
	t.Helper()
	_, isRSA := k.Public().(*rsa.PublicKey)
	for _, c := range []struct {
		name   string
		digest int
		opts   crypto.SignerOpts
	}{
		{"no options", 32, nil},
		{"no hash", 32, crypto.Hash(0)},
		{"SHA-1", 20, crypto.SHA1},
		{"SHA-224", 28, crypto.SHA224},
		{"SHA-512/256", 32, crypto.SHA512_256},
		{"empty digest", 0, crypto.SHA256},
		{"digest one byte short", 31, crypto.SHA256},
		{"digest one byte long", 33, crypto.SHA256},
		{"digest of another hash", 32, crypto.SHA384},
		{"PSS with an odd salt", 32, &rsa.PSSOptions{SaltLength: 20, Hash: crypto.SHA256}},
	} {
		if _, err := k.SignContext(ctx, make([]byte, c.digest), c.opts); err == nil {
			t.Errorf("%s: signed", c.name)
		}
	}
	if !isRSA {
		if _, err := k.SignContext(ctx, make([]byte, 32), &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}); err == nil {
			t.Error("RSA-PSS with a key that is not RSA: signed")
		}
	}
	digest := randomDigest(t, signer.HashFor(k.Public()))
	if sig, err := k.SignContext(ctx, digest, signer.HashFor(k.Public())); err != nil || !verifies(k.Public(), digest, sig, signer.HashFor(k.Public())) {
		t.Errorf("after refusals: %v, or the signature does not verify", err)
	}
}

func checkCertificate(t *testing.T, k signer.Key) {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<31, 0), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, k.Public(), k)
	if err != nil {
		t.Errorf("certificate: %v", err)
		return
	}
	c, err := x509.ParseCertificate(der)
	if err == nil {
		err = c.CheckSignatureFrom(c)
	}
	if err != nil {
		t.Errorf("certificate: %v", err)
	}
}

func randomDigest(t *testing.T, hash crypto.Hash) []byte {
	t.Helper()
	d := make([]byte, hash.Size())
	if _, err := rand.Read(d); err != nil {
		t.Fatal(err)
	}
	return d
}

func verifies(pub crypto.PublicKey, digest, sig []byte, opts crypto.SignerOpts) bool {
	switch k := pub.(type) {
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(k, digest, sig)
	case *rsa.PublicKey:
		if _, ok := opts.(*rsa.PSSOptions); ok {
			return rsa.VerifyPSS(k, opts.HashFunc(), digest, sig, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
		}
		return rsa.VerifyPKCS1v15(k, opts.HashFunc(), digest, sig) == nil
	}
	return false
}

// concurrent signs with two keys from 32 goroutines, each with digests of its own.
func (s suite) concurrent(t *testing.T) {
	ctx, store, ref := s.open(t)
	keys := []signer.Key{create(t, ctx, store, ref("demo/one"), s.quick), create(t, ctx, store, ref("demo/two"), s.quick)}
	var wg sync.WaitGroup
	for g := range 32 {
		wg.Go(func() {
			k := keys[g%len(keys)]
			hash := signer.HashFor(k.Public())
			for i := range 16 {
				digest := bytes.Repeat([]byte{byte(g), byte(i)}, hash.Size()/2)
				sig, err := k.SignContext(ctx, digest, hash)
				if err != nil || !verifies(k.Public(), digest, sig, hash) {
					t.Errorf("goroutine %d: %v, or the signature does not verify", g, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// endedContext: what has ended before the device is asked costs nothing.
func (s suite) endedContext(t *testing.T) {
	ctx, store, ref := s.open(t)
	k := create(t, ctx, store, ref("demo/root"), s.quick)
	hash := signer.HashFor(k.Public())
	digest := randomDigest(t, hash)

	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := k.SignContext(cancelled, digest, hash); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	expired, cancel := context.WithDeadline(ctx, time.Unix(0, 0))
	defer cancel()
	if _, err := k.SignContext(expired, digest, hash); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("expired: %v", err)
	}
	if _, err := store.Create(expired, ref("demo/late"), signer.Spec{Algorithm: s.quick}, newID(t)); err == nil {
		t.Error("made a key after the deadline")
	}
	if _, err := store.Find(ctx, ref("demo/late")); !errors.Is(err, signer.ErrNotFound) {
		t.Errorf("find of a key that was not to be made: %v", err)
	}
	if sig, err := k.SignContext(ctx, digest, hash); err != nil || !verifies(k.Public(), digest, sig, hash) {
		t.Errorf("afterwards: %v, or the signature does not verify", err)
	}
}
