package bundle

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"fmt"
)

// ParseReleaseKey reads release.pub: one PEM "PUBLIC KEY", ECDSA P-256 or RSA of
// 2048 bits or more. file is its name in errors.
func ParseReleaseKey(file string, pemData []byte) (crypto.PublicKey, error) {
	if holdsPrivateKey(pemData) {
		return nil, fmt.Errorf("%s: holds a private key; the release key's public half is wanted", file)
	}
	pub, err := parsePublicKey(pemData)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if err := releaseKeyKind(pub); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return pub, nil
}

// parsePublicKey reads exactly one PEM "PUBLIC KEY" block.
func parsePublicKey(data []byte) (crypto.PublicKey, error) {
	keys, err := ParsePublicKeys(data)
	if err != nil {
		return nil, err
	}
	if len(keys) > 1 {
		return nil, fmt.Errorf("holds more than one PEM block \"PUBLIC KEY\"")
	}
	return keys[0], nil
}

// ParsePublicKeys reads a file of PEM "PUBLIC KEY" blocks and nothing else: sa.pub,
// in which each key verifies tokens. Several are written in one way only, so that no
// two readers see different ones.
func ParsePublicKeys(data []byte) ([]crypto.PublicKey, error) {
	var keys []crypto.PublicKey
	var plain []byte
	rest := data
	for len(keys) == 0 || len(bytes.TrimSpace(rest)) > 0 {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		if block == nil || block.Type != "PUBLIC KEY" || len(block.Headers) > 0 {
			return nil, fmt.Errorf("no PEM block \"PUBLIC KEY\"")
		}
		pub, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("public key: %w", err)
		}
		keys, plain = append(keys, pub), append(plain, pem.EncodeToMemory(block)...)
	}
	if !bytes.HasPrefix(data, []byte("-----BEGIN ")) || len(keys) > 1 && !bytes.Equal(data, plain) {
		return nil, fmt.Errorf("holds more than PEM blocks \"PUBLIC KEY\"")
	}
	return keys, nil
}

func releaseKeyKind(pub crypto.PublicKey) error {
	switch k := pub.(type) {
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P256() {
			return nil
		}
		return fmt.Errorf("release key is ECDSA %s; it must be ECDSA P-256 or RSA", k.Curve.Params().Name)
	case *rsa.PublicKey:
		if k.N.BitLen() >= 2048 {
			return nil
		}
		return fmt.Errorf("release key is RSA of %d bits; it must have 2048 or more", k.N.BitLen())
	}
	return fmt.Errorf("release key is %T; it must be ECDSA P-256 or RSA", pub)
}

// CheckSignature checks SHA256SUMS.sig with the release key. A *Refusal says
// that it does not fit.
func (b *Bundle) CheckSignature(release crypto.PublicKey) error {
	if err := releaseKeyKind(release); err != nil {
		return err
	}
	digest := sha256.Sum256(b.Sums)
	ok := false
	switch k := release.(type) {
	case *ecdsa.PublicKey:
		ok = ecdsa.VerifyASN1(k, digest[:], b.Signature)
	case *rsa.PublicKey:
		ok = rsa.VerifyPKCS1v15(k, crypto.SHA256, digest[:], b.Signature) == nil
	}
	if !ok {
		return &Refusal{"bundle of " + b.Node, SignatureFile, "not a signature of SHA256SUMS by this release key"}
	}
	return nil
}
