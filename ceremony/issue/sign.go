package issue

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"officiant/bundle/fingerprint"
	"officiant/signer"
)

var (
	// ErrNotChecked is returned for a Checked, CheckedCRL or CheckedRequest that no Checker made.
	ErrNotChecked = errors.New("what is to be signed was not checked")
	// ErrWrongSignature is returned when a device's signature does not verify.
	ErrWrongSignature = signer.ErrWrongSignature
)

// checked is what certificates, revocation lists and requests that may be signed
// have in common.
type checked struct {
	name      string
	hash      crypto.Hash
	algorithm []byte           // DER AlgorithmIdentifier
	signer    crypto.PublicKey // of the key that signs; the signature is verified with it
}

// read takes apart what was signed, as anyone will.
type read func(der []byte) (tbs []byte, algorithm x509.SignatureAlgorithm, signature []byte, err error)

// signed has key sign tbs and returns the whole DER, once that reads back as what
// was checked and its signature verifies. A key that is not the expected one is not
// even asked.
func (c *checked) signed(ctx context.Context, key signer.Key, tbs []byte, read read) ([]byte, error) {
	if !samePublicKey(c.signer, key.Public()) {
		return nil, fmt.Errorf("%s: key %s is not the one that signs it", c.name, key.Info().Label)
	}
	signature, err := sign(ctx, key, c.hash, tbs)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.name, err)
	}
	der, err := asn1.Marshal(certificate{
		TBS:       asn1.RawValue{FullBytes: tbs},
		Algorithm: asn1.RawValue{FullBytes: c.algorithm},
		Signature: asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)},
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.name, err)
	}
	if err := c.readBack(der, tbs, read); err != nil {
		return nil, fmt.Errorf("%s: key %s: %w", c.name, key.Info().Label, err)
	}
	return der, nil
}

func (c *checked) readBack(der, want []byte, read read) error {
	tbs, algorithm, signature, err := read(der)
	if err != nil {
		return err
	}
	if !bytes.Equal(tbs, want) {
		return errors.New("what was signed is not what was checked")
	}
	by := x509.Certificate{PublicKey: c.signer}
	if err := by.CheckSignature(algorithm, tbs, signature); err != nil {
		return fmt.Errorf("%w: %v", ErrWrongSignature, err)
	}
	return nil
}

// Sign has key sign c and returns the certificate's DER. It ends at ctx's
// deadline. The signature is verified before anything is returned.
func Sign(ctx context.Context, c *Checked, key signer.Key) ([]byte, error) {
	if c == nil || c.tbs == nil {
		return nil, ErrNotChecked
	}
	return c.signed(ctx, key, c.TBS(), func(der []byte) ([]byte, x509.SignatureAlgorithm, []byte, error) {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, 0, nil, err
		}
		return cert.RawTBSCertificate, cert.SignatureAlgorithm, cert.Signature, nil
	})
}

// sign has key sign the hash of message; RSA as PKCS #1 v1.5.
func sign(ctx context.Context, key signer.Key, hash crypto.Hash, message []byte) ([]byte, error) {
	h := hash.New()
	h.Write(message)
	return signDigest(ctx, key, hash, h.Sum(nil))
}

func signDigest(ctx context.Context, key signer.Key, hash crypto.Hash, digest []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	signature, err := key.SignContext(ctx, digest, hash)
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", key.Info().Label, err)
	}
	return signature, nil
}

// SignAll signs all of checked, up to workers at a time. The result has the
// order of checked. After an error no further signature is requested, and those
// in progress finish. The result holds what was signed, and nil for the
// rest: those signatures were made, and belong on record.
func SignAll(ctx context.Context, checked []*Checked, key signer.Key, workers int) ([][]byte, error) {
	return each(len(checked), workers, func(i int) ([]byte, error) { return Sign(ctx, checked[i], key) })
}

// Files is File for several sums, as SignAll is Sign.
func Files(ctx context.Context, sums []fingerprint.SHA256, key signer.Key, workers int) ([][]byte, error) {
	return each(len(sums), workers, func(i int) ([]byte, error) { return File(ctx, sums[i], key) })
}

func each(n, workers int, sign func(i int) ([]byte, error)) ([][]byte, error) {
	results := make([][]byte, n)
	var next atomic.Int64
	var failed atomic.Pointer[error] // the first failure
	var wg sync.WaitGroup
	for range max(1, min(workers, n)) {
		wg.Go(func() {
			for failed.Load() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				signed, err := sign(i)
				if err != nil {
					failed.CompareAndSwap(nil, &err)
					return
				}
				results[i] = signed
			}
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		return results, *err
	}
	return results, nil
}

// File has the release key, P-256 or RSA, sign a file by its SHA-256. The
// signature is verified with key's public key before it is returned.
func File(ctx context.Context, sum [sha256.Size]byte, key signer.Key) ([]byte, error) {
	if err := signer.FileKey(key.Public()); err != nil {
		return nil, fmt.Errorf("key %s: %w", key.Info().Label, err)
	}
	signature, err := signDigest(ctx, key, crypto.SHA256, sum[:])
	if err != nil {
		return nil, err
	}
	if err := signer.VerifyFile(key.Public(), sum, signature); err != nil {
		return nil, fmt.Errorf("key %s: %w", key.Info().Label, err)
	}
	return signature, nil
}
