package gcpkms

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"officiant/signer"
)

// key is one version of a crypto key.
type key struct {
	store  *store
	place  place // with its version
	level  kmspb.ProtectionLevel
	public crypto.PublicKey
	info   signer.Info
}

// Public is the public half that Google returned when the key was opened.
func (k *key) Public() crypto.PublicKey { return k.public }

// Info says where the key lives and what Google says of it.
func (k *key) Info() signer.Info { return k.info }

// Sign signs digest within the time one call may take.
func (k *key) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return k.SignContext(context.Background(), digest, opts)
}

// SignContext signs digest with the hash that belongs to the key: ECDSA, or RSA
// PKCS #1 v1.5. Other hashes and RSA-PSS are signer.ErrUnsupported. It asks
// Google once, and returns only what verifies with the public key.
func (k *key) SignContext(ctx context.Context, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	sig, err := k.sign(ctx, digest, opts)
	if err != nil {
		return nil, fmt.Errorf("key %q: %w", k.info.Label, err)
	}
	return sig, nil
}

func (k *key) sign(ctx context.Context, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if err := signer.CheckDigest(k.public, digest, opts); err != nil {
		return nil, err
	}
	if _, ok := opts.(*rsa.PSSOptions); ok {
		return nil, fmt.Errorf("%w: the key signs PKCS #1 v1.5 alone, not RSA-PSS", signer.ErrUnsupported)
	}
	packed, err := digestOf(k.public, digest, opts.HashFunc())
	if err != nil {
		return nil, err
	}
	select {
	case k.store.tickets <- struct{}{}:
		defer func() { <-k.store.tickets }()
	case <-ctx.Done():
		return nil, fmt.Errorf("%s: %w", k.place.versionName(), ctx.Err())
	}
	name := k.place.versionName()
	answer, err := asked(ctx, k.store, "AsymmetricSign", name, k.store.client.AsymmetricSign,
		&kmspb.AsymmetricSignRequest{Name: name, Digest: packed, DigestCrc32C: wrapperspb.Int64(int64(checksum(digest)))})
	if isCode(err, codes.FailedPrecondition) {
		// The state says why, in words that do not change with Google's.
		if v, lookErr := k.store.version(ctx, k.place); lookErr == nil && stateOf(v) != nil {
			return nil, stateOf(v)
		}
	}
	if err != nil {
		return nil, err
	}
	if err := k.check(answer, digest, opts.HashFunc()); err != nil {
		return nil, fmt.Errorf("AsymmetricSign %s: answer refused: %w; next: run the same command again, and tell Google if it happens twice", name, err)
	}
	return answer.GetSignature(), nil
}

// check holds an answer against what was asked.
func (k *key) check(answer *kmspb.AsymmetricSignResponse, digest []byte, hash crypto.Hash) error {
	sig := answer.GetSignature()
	switch {
	case answer.GetName() != k.place.versionName():
		return fmt.Errorf("it comes from another key or version, %.200q", answer.GetName())
	case answer.GetProtectionLevel() != k.level:
		return fmt.Errorf("it was made at protection level %s, the key has %s", answer.GetProtectionLevel(), k.level)
	case !answer.GetVerifiedDigestCrc32C():
		return errors.New("Google did not verify the digest's CRC32C (verifiedDigestCrc32c is false)")
	case answer.GetSignatureCrc32C() == nil:
		return errors.New("it has no CRC32C of the signature (signatureCrc32c)")
	case answer.GetSignatureCrc32C().GetValue() != int64(checksum(sig)):
		return errors.New("the signature's CRC32C is wrong: it was changed on the way")
	}
	switch pub := k.public.(type) {
	case *ecdsa.PublicKey:
		if ecdsa.VerifyASN1(pub, digest, sig) {
			return nil
		}
	case *rsa.PublicKey:
		if rsa.VerifyPKCS1v15(pub, hash, digest, sig) == nil {
			return nil
		}
	}
	return errors.New("the signature does not verify with the key's public key")
}

// publicKey fetches the public half of a version.
func (s *store) publicKey(ctx context.Context, p place, v *kmspb.CryptoKeyVersion, algorithm signer.Algorithm) (crypto.PublicKey, error) {
	name := p.versionName()
	answer, err := asked(ctx, s, "GetPublicKey", name, s.client.GetPublicKey, &kmspb.GetPublicKeyRequest{Name: name})
	if err != nil {
		return nil, err
	}
	pub, err := publicOf(answer, v, algorithm)
	if err != nil {
		return nil, fmt.Errorf("GetPublicKey %s: answer refused: %w; next: run the same command again", name, err)
	}
	return pub, nil
}

// publicOf holds the answer against the version it is to belong to.
func publicOf(answer *kmspb.PublicKey, v *kmspb.CryptoKeyVersion, algorithm signer.Algorithm) (crypto.PublicKey, error) {
	text := []byte(answer.GetPem())
	switch {
	case answer.GetName() != v.GetName():
		return nil, fmt.Errorf("it is about another key or version, %.200q", answer.GetName())
	case answer.GetAlgorithm() != v.GetAlgorithm():
		return nil, fmt.Errorf("its algorithm is %s, the version's %s", answer.GetAlgorithm(), v.GetAlgorithm())
	case answer.GetProtectionLevel() != v.GetProtectionLevel():
		return nil, fmt.Errorf("its protection level is %s, the version's %s", answer.GetProtectionLevel(), v.GetProtectionLevel())
	case answer.GetPemCrc32C() == nil:
		return nil, errors.New("it has no CRC32C (pemCrc32c)")
	case answer.GetPemCrc32C().GetValue() != int64(checksum(text)):
		return nil, errors.New("its CRC32C is wrong: it was changed on the way")
	}
	block, rest := pem.Decode(text)
	if block == nil || block.Type != "PUBLIC KEY" || len(rest) > 0 {
		return nil, errors.New("it is not one PEM block PUBLIC KEY")
	}
	pub, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	have, err := signer.AlgorithmOf(pub)
	if err != nil {
		return nil, err
	}
	if have != algorithm {
		return nil, fmt.Errorf("it holds a key of %s, the version's algorithm is %s", have, v.GetAlgorithm())
	}
	return pub, nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(data []byte) uint32 { return crc32.Checksum(data, castagnoli) }

func sha256Hex(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
