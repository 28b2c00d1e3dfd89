package gcpkms

import (
	"crypto"
	"errors"
	"fmt"
	"strings"

	"cloud.google.com/go/kms/apiv1/kmspb"

	"officiant/signer"
)

// googles are the algorithms of Google Cloud KMS that Officiant signs with. In
// Google's, hash and padding belong to the key.
var googles = map[signer.Algorithm]kmspb.CryptoKeyVersion_CryptoKeyVersionAlgorithm{
	signer.ECDSAP256: kmspb.CryptoKeyVersion_EC_SIGN_P256_SHA256,
	signer.ECDSAP384: kmspb.CryptoKeyVersion_EC_SIGN_P384_SHA384,
	signer.RSA2048:   kmspb.CryptoKeyVersion_RSA_SIGN_PKCS1_2048_SHA256,
	signer.RSA3072:   kmspb.CryptoKeyVersion_RSA_SIGN_PKCS1_3072_SHA256,
	signer.RSA4096:   kmspb.CryptoKeyVersion_RSA_SIGN_PKCS1_4096_SHA256,
}

// Supports says whether Google Cloud KMS makes and uses keys of spec, and
// whether ref names a place for one. It asks nobody: a key that exists is
// looked at when it is opened. A file of roots that ref names is read.
func Supports(ref signer.Ref, spec signer.Spec) error {
	p, err := placeOf(ref)
	if err != nil {
		return err
	}
	if _, err := p.anchorsOf(); err != nil {
		return err
	}
	_, err = googleOf(spec.Algorithm)
	return err
}

func googleOf(a signer.Algorithm) (kmspb.CryptoKeyVersion_CryptoKeyVersionAlgorithm, error) {
	if _, err := signer.ParseAlgorithm(string(a)); err != nil {
		return 0, err
	}
	g, ok := googles[a]
	if !ok {
		return 0, fmt.Errorf("%w: Google Cloud KMS has no %s: take ECDSA-P256 or ECDSA-P384", signer.ErrUnsupported, a)
	}
	return g, nil
}

// algorithmOf refuses what can do no challenge, which is a signature with the
// hash of signer.HashFor and, for RSA, PKCS #1 v1.5.
func algorithmOf(g kmspb.CryptoKeyVersion_CryptoKeyVersionAlgorithm) (signer.Algorithm, error) {
	for a, other := range googles {
		if g == other {
			return a, nil
		}
	}
	why := "not one of those Officiant signs with"
	switch name := g.String(); {
	case strings.HasPrefix(name, "RSA_SIGN_PSS_"):
		why = "it signs RSA-PSS alone, and challenges and bundles need PKCS #1 v1.5"
	case strings.HasPrefix(name, "RSA_SIGN_PKCS1_"):
		why = "it signs SHA-512 alone, and Officiant's RSA signatures are over SHA-256"
	}
	return "", fmt.Errorf("%w: the key's algorithm is %s: %s; take a key of another algorithm", signer.ErrUnsupported, g, why)
}

// digestOf packs a digest. The key has one hash, which Google does not check
// before it answers with an error that says less.
func digestOf(pub crypto.PublicKey, digest []byte, hash crypto.Hash) (*kmspb.Digest, error) {
	if own := signer.HashFor(pub); hash != own {
		return nil, fmt.Errorf("%w: the key signs %s alone, not %s", signer.ErrUnsupported, own, hash)
	}
	switch hash {
	case crypto.SHA256:
		return &kmspb.Digest{Digest: &kmspb.Digest_Sha256{Sha256: digest}}, nil
	case crypto.SHA384:
		return &kmspb.Digest{Digest: &kmspb.Digest_Sha384{Sha384: digest}}, nil
	}
	return nil, errors.New("no such digest in Google Cloud KMS")
}
