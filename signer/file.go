package signer

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
)

// ErrWrongSignature is a signature that another key made, or none.
var ErrWrongSignature = errors.New("signature does not verify")

// FileKey says why a key is of no kind that signs files; nil: it is. openssl verifies with
// either kind, and SHA-256 goes with both.
func FileKey(pub crypto.PublicKey) error {
	switch k := pub.(type) {
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P256() {
			return nil
		}
	case *rsa.PublicKey:
		if k.N.BitLen() >= 2048 {
			return nil
		}
	}
	return errors.New("a release key is P-256, or RSA of 2048 bits and more")
}

// VerifyFile checks a signature over a file by its SHA-256: ECDSA in ASN.1, or RSA PKCS #1
// v1.5. Its error is FileKey's, or ErrWrongSignature.
func VerifyFile(pub crypto.PublicKey, sum [sha256.Size]byte, signature []byte) error {
	if err := FileKey(pub); err != nil {
		return err
	}
	switch k := pub.(type) {
	case *ecdsa.PublicKey:
		if !ecdsa.VerifyASN1(k, sum[:], signature) {
			return ErrWrongSignature
		}
	case *rsa.PublicKey:
		if err := rsa.VerifyPKCS1v15(k, crypto.SHA256, sum[:], signature); err != nil {
			return fmt.Errorf("%w: %v", ErrWrongSignature, err)
		}
	}
	return nil
}
