package issue

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"

	"officiant/ceremony/lint"
	"officiant/signer"
)

// CheckedCRL is a revocation list that may be signed. Only CheckCRL makes one; the
// zero CheckedCRL is refused.
type CheckedCRL struct {
	checked
	throwaway *x509.RevocationList // nil in a zero CheckedCRL
}

// Name is the schedule's name of the list, for messages.
func (c *CheckedCRL) Name() string { return c.name }

// TBS is the DER TBSCertList. The caller must not change it.
func (c *CheckedCRL) TBS() []byte { return c.throwaway.RawTBSRevocationList }

// CheckCRL makes the to-be-signed bytes of a revocation list, and lints them.
// issuerKey is the key that will sign, as the caller expects it. Findings come back
// as *Refused. in.Issuer is set to issuer.
func (c *Checker) CheckCRL(template *x509.RevocationList, issuer *x509.Certificate, issuerKey crypto.PublicKey, in lint.CRLContext) (*CheckedCRL, error) {
	in.Issuer = issuer
	list, err := c.prepareCRL(template, issuer, issuerKey)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", in.Name, err)
	}
	if findings := lint.CRL(list.throwaway, in); len(findings) > 0 {
		return nil, &Refused{in.Name, findings}
	}
	list.name = in.Name
	return list, nil
}

func (c *Checker) prepareCRL(template *x509.RevocationList, issuer *x509.Certificate, issuerKey crypto.PublicKey) (*CheckedCRL, error) {
	hash, ok := hashes[template.SignatureAlgorithm]
	if !ok {
		return nil, fmt.Errorf("signature algorithm %s is not supported", template.SignatureAlgorithm)
	}
	if issuer == nil || !samePublicKey(issuerKey, issuer.PublicKey) {
		return nil, errors.New("the issuer's key is not the one its certificate holds")
	}
	key, err := c.throwaway(issuerKey)
	if err != nil {
		return nil, err
	}
	der, err := x509.CreateRevocationList(c.rand, template, issuer, key)
	if err != nil {
		return nil, err
	}
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		return nil, err
	}
	if list.SignatureAlgorithm != template.SignatureAlgorithm {
		return nil, errors.New("the revocation list is not what was asked for")
	}
	var outer certificate // RFC 5280, 5.1.1: a CertificateList has the same three parts
	if _, err := asn1.Unmarshal(der, &outer); err != nil {
		return nil, err
	}
	return &CheckedCRL{checked{hash: hash, algorithm: outer.Algorithm.FullBytes, signer: issuerKey}, list}, nil
}

// SignCRL is Sign for a revocation list.
func SignCRL(ctx context.Context, c *CheckedCRL, key signer.Key) ([]byte, error) {
	if c == nil || c.throwaway == nil {
		return nil, ErrNotChecked
	}
	return c.signed(ctx, key, c.TBS(), func(der []byte) ([]byte, x509.SignatureAlgorithm, []byte, error) {
		list, err := x509.ParseRevocationList(der)
		if err != nil {
			return nil, 0, nil, err
		}
		return list.RawTBSRevocationList, list.SignatureAlgorithm, list.Signature, nil
	})
}
