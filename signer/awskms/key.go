package awskms

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"officiant/signer"
	"officiant/signer/backoff"
)

// key is a private key in AWS KMS.
type key struct {
	store  *store
	arn    string
	public crypto.PublicKey
	info   signer.Info
}

// Public is the public half that KMS returned when the key was opened.
func (k *key) Public() crypto.PublicKey { return k.public }

// Info says where the key lives and what AWS claims about it.
func (k *key) Info() signer.Info { return k.info }

// Sign signs digest within the store's own limit. KMS has its own randomness.
func (k *key) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return k.SignContext(context.Background(), digest, opts)
}

// SignContext signs digest: ECDSA with the curve's own hash, RSA PKCS #1 v1.5, or
// RSA-PSS with a salt as long as the hash. KMS is asked once, and its signature is
// verified before it is handed on.
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
	algorithm, err := signingAlgorithm(k.public, opts)
	if err != nil {
		return nil, err
	}
	if err := k.store.begin(ctx); err != nil {
		return nil, err
	}
	defer k.store.end()
	out, err := backoff.Do(ctx, k.store.again(), brief, func() (*kms.SignOutput, error) {
		return call(ctx, k.store, "Sign", k.arn, k.store.client.Sign, &kms.SignInput{
			KeyId: &k.arn, Message: digest, MessageType: types.MessageTypeDigest, SigningAlgorithm: algorithm,
		}, once)
	})
	if err != nil {
		return nil, err
	}
	if err := k.checkAnswer(out, algorithm, digest, opts); err != nil {
		return nil, fmt.Errorf("%s: Sign %s: %w", k.store, k.arn, err)
	}
	return out.Signature, nil
}

// begin waits for one of the store's turns.
func (s *store) begin(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", s, err)
	}
	select {
	case s.tickets <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %s: no turn in time: %w", signer.ErrUnavailable, s, ctx.Err())
	case <-s.done.Done():
		return fmt.Errorf("%w: %s: closed", signer.ErrUnavailable, s)
	}
}

func (s *store) end() { <-s.tickets }

// signingAlgorithm is what AWS calls the asked signature. signer.CheckDigest has
// passed opts. A curve signs with one hash only.
func signingAlgorithm(pub crypto.PublicKey, opts crypto.SignerOpts) (types.SigningAlgorithmSpec, error) {
	hash := opts.HashFunc()
	if _, ok := pub.(*ecdsa.PublicKey); ok {
		if own := signer.HashFor(pub); hash != own {
			return "", fmt.Errorf("%w: AWS KMS signs with this curve over %s, not %s", signer.ErrUnsupported, own, hash)
		}
		return map[crypto.Hash]types.SigningAlgorithmSpec{
			crypto.SHA256: types.SigningAlgorithmSpecEcdsaSha256,
			crypto.SHA384: types.SigningAlgorithmSpecEcdsaSha384,
			crypto.SHA512: types.SigningAlgorithmSpecEcdsaSha512,
		}[hash], nil
	}
	if _, ok := opts.(*rsa.PSSOptions); ok {
		return map[crypto.Hash]types.SigningAlgorithmSpec{
			crypto.SHA256: types.SigningAlgorithmSpecRsassaPssSha256,
			crypto.SHA384: types.SigningAlgorithmSpecRsassaPssSha384,
			crypto.SHA512: types.SigningAlgorithmSpecRsassaPssSha512,
		}[hash], nil
	}
	return map[crypto.Hash]types.SigningAlgorithmSpec{
		crypto.SHA256: types.SigningAlgorithmSpecRsassaPkcs1V15Sha256,
		crypto.SHA384: types.SigningAlgorithmSpecRsassaPkcs1V15Sha384,
		crypto.SHA512: types.SigningAlgorithmSpecRsassaPkcs1V15Sha512,
	}[hash], nil
}

// checkAnswer refuses a signature by another key, of another kind, or damaged.
func (k *key) checkAnswer(out *kms.SignOutput, algorithm types.SigningAlgorithmSpec, digest []byte, opts crypto.SignerOpts) error {
	if got := aws.ToString(out.KeyId); got != k.arn {
		return fmt.Errorf("the answer is from another key, %q", got)
	}
	if out.SigningAlgorithm != algorithm {
		return fmt.Errorf("the answer is a signature of %q, not %q", out.SigningAlgorithm, algorithm)
	}
	hash := opts.HashFunc()
	wrong := errors.New("the signature does not verify with the key's public key: it was damaged, or another key made it")
	switch pub := k.public.(type) {
	case *ecdsa.PublicKey:
		if ecdsa.VerifyASN1(pub, digest, out.Signature) {
			return nil
		}
	case *rsa.PublicKey:
		if _, pss := opts.(*rsa.PSSOptions); !pss {
			if rsa.VerifyPKCS1v15(pub, hash, digest, out.Signature) == nil {
				return nil
			}
			return wrong
		}
		if rsa.VerifyPSS(pub, hash, digest, out.Signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil {
			return nil
		}
		if rsa.VerifyPSS(pub, hash, digest, out.Signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthAuto}) == nil {
			return fmt.Errorf("the signature's salt is not as long as %s (%d bytes)", hash, hash.Size())
		}
	}
	return wrong
}
