package signer

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	_ "crypto/sha256" // SHA-256 of P-256 and RSA
	_ "crypto/sha512" // SHA-384 and SHA-512 of the larger curves
	"crypto/x509"
	"errors"
	"fmt"
)

// NonceSize is the length of a challenge's nonce in bytes.
const NonceSize = 32

// challengeHead opens every statement. It is text, so that no DER can start with it.
const challengeHead = "officiant challenge v1\n"

// ErrWrongAnswer is a challenge that was signed by another key, or by none.
var ErrWrongAnswer = errors.New("challenge signature does not verify with the expected public key")

// Challenge has key sign a fresh nonce of NonceSize bytes and verifies the
// signature with want, the public key one expects, not with what the key says
// of itself.
func Challenge(ctx context.Context, key Key, want crypto.PublicKey, nonce []byte) (signature []byte, err error) {
	statement, hash, err := statementOf(want, nonce)
	if err != nil {
		return nil, err
	}
	label := key.Info().Label
	if !samePublicKey(key.Public(), want) {
		return nil, fmt.Errorf("key %q: its public key is not the expected one", label)
	}
	signature, err = key.SignContext(ctx, digestOf(hash, statement), hash)
	if err != nil {
		return nil, fmt.Errorf("challenge: %w", err)
	}
	if err := VerifyChallenge(want, nonce, signature); err != nil {
		return nil, fmt.Errorf("key %q: %w", label, err)
	}
	return signature, nil
}

// ChallengeStatement returns the bytes a challenge signs: the head, the nonce
// and the DER SubjectPublicKeyInfo.
func ChallengeStatement(nonce, spki []byte) []byte {
	statement := make([]byte, 0, len(challengeHead)+len(nonce)+len(spki))
	statement = append(statement, challengeHead...)
	statement = append(statement, nonce...)
	return append(statement, spki...)
}

// VerifyChallenge checks the signature over the challenge of nonce to pub. RSA
// signatures are PKCS #1 v1.5, ECDSA signatures ASN.1 DER.
func VerifyChallenge(pub crypto.PublicKey, nonce, sig []byte) error {
	statement, hash, err := statementOf(pub, nonce)
	if err != nil {
		return err
	}
	digest := digestOf(hash, statement)
	switch k := pub.(type) {
	case *ecdsa.PublicKey:
		if ecdsa.VerifyASN1(k, digest, sig) {
			return nil
		}
	case *rsa.PublicKey:
		if rsa.VerifyPKCS1v15(k, hash, digest, sig) == nil {
			return nil
		}
	}
	return ErrWrongAnswer
}

func statementOf(pub crypto.PublicKey, nonce []byte) ([]byte, crypto.Hash, error) {
	if len(nonce) != NonceSize {
		return nil, 0, fmt.Errorf("challenge nonce of %d bytes, want %d", len(nonce), NonceSize)
	}
	if _, err := AlgorithmOf(pub); err != nil {
		return nil, 0, fmt.Errorf("challenge: %w", err)
	}
	spki, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, 0, fmt.Errorf("challenge: %w", err)
	}
	return ChallengeStatement(nonce, spki), HashFor(pub), nil
}

func digestOf(hash crypto.Hash, message []byte) []byte {
	h := hash.New()
	h.Write(message)
	return h.Sum(nil)
}

func samePublicKey(a, b crypto.PublicKey) bool {
	k, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(b)
}
