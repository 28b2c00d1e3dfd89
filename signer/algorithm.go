package signer

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"

	"officiant/bundle/nearest"
)

// Algorithms lists all there are, in the order they are shown.
func Algorithms() []Algorithm {
	return []Algorithm{ECDSAP256, ECDSAP384, ECDSAP521, RSA2048, RSA3072, RSA4096}
}

// ParseAlgorithm returns the algorithm of a name, which is written exactly as
// the constants are.
func ParseAlgorithm(s string) (Algorithm, error) {
	if a := Algorithm(s); slices.Contains(Algorithms(), a) {
		return a, nil
	}
	var names []string
	for _, a := range Algorithms() {
		names = append(names, string(a))
	}
	return "", fmt.Errorf("unknown key algorithm %q: one of %s%s", s, strings.Join(names, ", "),
		nearest.Among(s, names...))
}

// X509 is what a CA key of this algorithm signs certificates with.
func (a Algorithm) X509() x509.SignatureAlgorithm {
	switch a {
	case ECDSAP256:
		return x509.ECDSAWithSHA256
	case ECDSAP384:
		return x509.ECDSAWithSHA384
	case ECDSAP521:
		return x509.ECDSAWithSHA512
	case RSA2048, RSA3072, RSA4096:
		return x509.SHA256WithRSA
	}
	return x509.UnknownSignatureAlgorithm
}

// AlgorithmOf returns the algorithm of a public key; anything that is not one
// of Algorithms, RSA of other sizes included, is an error.
func AlgorithmOf(pub crypto.PublicKey) (Algorithm, error) {
	switch k := pub.(type) {
	case *ecdsa.PublicKey:
		switch k.Curve {
		case elliptic.P256():
			return ECDSAP256, nil
		case elliptic.P384():
			return ECDSAP384, nil
		case elliptic.P521():
			return ECDSAP521, nil
		case nil:
			return "", fmt.Errorf("ECDSA key without a curve")
		}
		return "", fmt.Errorf("ECDSA key on curve %s", k.Curve.Params().Name)
	case *rsa.PublicKey:
		if k.N == nil {
			return "", fmt.Errorf("RSA key without a modulus")
		}
		switch k.N.BitLen() {
		case 2048:
			return RSA2048, nil
		case 3072:
			return RSA3072, nil
		case 4096:
			return RSA4096, nil
		}
		return "", fmt.Errorf("RSA key of %d bits", k.N.BitLen())
	}
	switch pub.(type) {
	case nil: // what crypto/x509 gives for algorithms that it does not know
		return "", fmt.Errorf("key of an algorithm that is not read (one for RSA-PSS alone is no RSA key)")
	case ed25519.PublicKey:
		return "", fmt.Errorf("Ed25519 key")
	}
	return "", fmt.Errorf("key of type %T", pub)
}

// HashFor returns the hash that belongs to a key: SHA-256 for P-256 and RSA,
// SHA-384 for P-384, SHA-512 for P-521. It is 0 for any other key.
func HashFor(pub crypto.PublicKey) crypto.Hash {
	a, err := AlgorithmOf(pub)
	if err != nil {
		return 0
	}
	switch a {
	case ECDSAP384:
		return crypto.SHA384
	case ECDSAP521:
		return crypto.SHA512
	}
	return crypto.SHA256
}

// CheckDigest refuses what a device might sign without a word and nobody could
// verify: a hash other than SHA-256, SHA-384 and SHA-512, a digest whose length
// is not the hash's, an RSA-PSS salt whose length is neither automatic nor the
// hash's, PSS options for a key that is not RSA.
func CheckDigest(pub crypto.PublicKey, digest []byte, opts crypto.SignerOpts) error {
	if _, err := AlgorithmOf(pub); err != nil {
		return err
	}
	if opts == nil {
		return fmt.Errorf("no hash given")
	}
	hash := opts.HashFunc()
	switch hash {
	case crypto.SHA256, crypto.SHA384, crypto.SHA512:
	default:
		return fmt.Errorf("hash %s is not one of SHA-256, SHA-384, SHA-512", hash)
	}
	if len(digest) != hash.Size() {
		return fmt.Errorf("digest of %d bytes, but %s has %d", len(digest), hash, hash.Size())
	}
	pss, ok := opts.(*rsa.PSSOptions)
	if !ok {
		return nil
	}
	if _, isRSA := pub.(*rsa.PublicKey); !isRSA {
		return fmt.Errorf("RSA-PSS options for a key of type %T", pub)
	}
	switch pss.SaltLength {
	case rsa.PSSSaltLengthAuto, rsa.PSSSaltLengthEqualsHash, hash.Size():
		return nil
	}
	return fmt.Errorf("RSA-PSS salt of %d bytes, but %s has %d", pss.SaltLength, hash, hash.Size())
}

// AtLeast reports whether evidence of grade g is as good as o: attested, then
// consistent, then software, then unproven. A grade of no such name is never
// enough and never met.
func (g Grade) AtLeast(o Grade) bool {
	order := []Grade{Unproven, Software, Consistent, Attested}
	have, want := slices.Index(order, g), slices.Index(order, o)
	return have >= 0 && want >= 0 && have >= want
}
