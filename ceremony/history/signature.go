package history

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/transcript"
)

// signature checks the release key's signature over the record's bytes, when there
// is one. The key is the one that the last line names.
func (b *reader) signature(sum fingerprint.SHA256) error {
	if b.Source.Signature == nil {
		return nil
	}
	sig, err := b.Source.Signature()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	bad := func(format string, args ...any) error {
		return &transcript.Broken{
			File:   b.Source.Name,
			Line:   b.lines,
			Reason: SignatureFile + ": " + fmt.Sprintf(format, args...),
		}
	}
	if b.Closed == nil {
		return bad("there is a signature, and the ceremony is unfinished: lines are missing at its end")
	}
	key, ok := b.Opened(b.Closed.Signer)
	if !ok {
		return bad("by the release key %s, which is not on record", b.Closed.Signer)
	}
	pub, err := x509.ParsePKIXPublicKey(key.PublicKey)
	if err != nil {
		return bad("release key %s: %v", key.Name, err)
	}
	if !holds(pub, sum, sig) {
		return bad("is not the signature of release key %s over this record", key.Name)
	}
	b.Signed = true
	return nil
}

// holds verifies what `openssl dgst -sha256 -verify` does.
func holds(pub crypto.PublicKey, sum fingerprint.SHA256, sig []byte) bool {
	switch k := pub.(type) {
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(k, sum[:], sig)
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(k, crypto.SHA256, sum[:], sig) == nil
	}
	return false
}

// unsigned is a certificate of these to-be-signed bytes (RFC 5280, 4.1) with an
// empty signature, for the sake of its reader; nil when they are none.
func unsigned(tbs []byte) []byte {
	whole := cryptobyte.String(tbs)
	var fields, algorithm cryptobyte.String
	if !whole.ReadASN1(&fields, asn1.SEQUENCE) ||
		!fields.SkipOptionalASN1(asn1.Tag(0).Constructed().ContextSpecific()) || // version
		!fields.SkipASN1(asn1.INTEGER) || // serial number
		!fields.ReadASN1Element(&algorithm, asn1.SEQUENCE) {
		return nil
	}
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(tbs)
		b.AddBytes(algorithm)
		b.AddASN1BitString(nil)
	})
	return b.BytesOrPanic()
}
