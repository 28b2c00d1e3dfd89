//go:build cgo

package pkcs11

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"math/big"

	"github.com/miekg/pkcs11"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"officiant/signer"
	"officiant/signer/pkcs11/module"
)

// key is a private key on a token.
type key struct {
	store  *store
	handle pkcs11.ObjectHandle
	public crypto.PublicKey
	info   signer.Info
	label  string // as the token has it; a mark gives a key in a slot another
	id     []byte
}

// Public is the public half that the token returned when the key was opened.
func (k *key) Public() crypto.PublicKey { return k.public }

// Info says where the key lives and what the token claims about it.
func (k *key) Info() signer.Info { return k.info }

// Sign signs digest with no time limit. The token has its own randomness.
func (k *key) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return k.SignContext(context.Background(), digest, opts)
}

// SignContext signs digest: ECDSA, RSA PKCS #1 v1.5, or RSA-PSS with a salt as
// long as the hash. It returns at ctx's end at the latest. A key that wants its
// PIN at each signature has the store's PINFunc ask for it, one at a time.
func (k *key) SignContext(ctx context.Context, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if err := signer.CheckDigest(k.public, digest, opts); err != nil {
		return nil, fmt.Errorf("key %q: %w", k.info.Label, err)
	}
	op := newOperation(k.public, digest, opts)
	op.Key = k.handle
	var sig []byte
	var err error
	if k.info.Attributes["CKA_ALWAYS_AUTHENTICATE"] == isTrue {
		sig, err = k.signAsked(ctx, op)
	} else {
		sig, err = k.store.signQueued(ctx, op)
	}
	if err != nil {
		return nil, fmt.Errorf("key %q: %w", k.info.Label, err)
	}
	if pub, ok := k.public.(*ecdsa.PublicKey); ok {
		sig, err = encodeECDSA(sig, (pub.Curve.Params().BitSize+7)/8)
	} else if pub := k.public.(*rsa.PublicKey); len(sig) != pub.Size() {
		err = fmt.Errorf("signature of %d bytes, want %d", len(sig), pub.Size())
	}
	if err != nil {
		return nil, fmt.Errorf("key %q: %s: %w", k.info.Label, k.store.token, err)
	}
	return sig, nil
}

// digestInfo is what stands before a digest in a PKCS #1 v1.5 signature (RFC
// 8017 section 9.2). CKM_RSA_PKCS takes it ready-made on every token, where
// CKM_SHA256_RSA_PKCS is missing on some.
var digestInfo = map[crypto.Hash][]byte{
	crypto.SHA256: {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20},
	crypto.SHA384: {0x30, 0x41, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02, 0x05, 0x00, 0x04, 0x30},
	crypto.SHA512: {0x30, 0x51, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03, 0x05, 0x00, 0x04, 0x40},
}

// newOperation takes what signer.CheckDigest has passed. Its data is a copy: the
// caller's digest may change while a call is left behind.
func newOperation(pub crypto.PublicKey, digest []byte, opts crypto.SignerOpts) module.Operation {
	hash := opts.HashFunc()
	if pub, ok := pub.(*ecdsa.PublicKey); ok {
		// FIPS 186-5 section 6.4: the leftmost bits, as many as the order has.
		// Not every token cuts the digest itself.
		n := min(len(digest), (pub.Curve.Params().BitSize+7)/8)
		return module.Operation{Mechanism: pkcs11.CKM_ECDSA, Data: append([]byte(nil), digest[:n]...)}
	}
	if _, ok := opts.(*rsa.PSSOptions); ok {
		hashes := map[crypto.Hash][2]uint{
			crypto.SHA256: {pkcs11.CKM_SHA256, pkcs11.CKG_MGF1_SHA256},
			crypto.SHA384: {pkcs11.CKM_SHA384, pkcs11.CKG_MGF1_SHA384},
			crypto.SHA512: {pkcs11.CKM_SHA512, pkcs11.CKG_MGF1_SHA512},
		}[hash]
		return module.Operation{
			Mechanism: pkcs11.CKM_RSA_PKCS_PSS,
			Parameter: pkcs11.NewPSSParams(hashes[0], hashes[1], uint(hash.Size())),
			Data:      append([]byte(nil), digest...),
		}
	}
	return module.Operation{
		Mechanism: pkcs11.CKM_RSA_PKCS, Data: append(append([]byte(nil), digestInfo[hash]...), digest...),
	}
}

// encodeECDSA turns r and s side by side into DER (RFC 3279 section 2.2.3).
func encodeECDSA(raw []byte, size int) ([]byte, error) {
	if len(raw) != 2*size {
		return nil, fmt.Errorf("ECDSA signature of %d bytes, want %d", len(raw), 2*size)
	}
	r, s := new(big.Int).SetBytes(raw[:size]), new(big.Int).SetBytes(raw[size:])
	if r.Sign() == 0 || s.Sign() == 0 {
		return nil, errors.New("ECDSA signature of zeros")
	}
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1BigInt(r)
		b.AddASN1BigInt(s)
	})
	return b.Bytes()
}
