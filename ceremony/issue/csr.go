package issue

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"

	"officiant/signer"
)

// CheckedRequest is a certificate request (PKCS #10, RFC 2986) that may be signed
// by the key it is about. Only CheckRequest makes one.
type CheckedRequest struct {
	checked
	tbs []byte // DER CertificationRequestInfo; nil in a zero CheckedRequest
}

// TBS is the DER CertificationRequestInfo. The caller must not change it.
func (c *CheckedRequest) TBS() []byte { return c.tbs }

// CheckRequest makes the to-be-signed bytes of template for the public key subject: a
// throw-away key of its kind signs a request, and subject takes that key's place.
// The result is read back as any reader would.
func (c *Checker) CheckRequest(name string, template *x509.CertificateRequest, subject crypto.PublicKey) (*CheckedRequest, error) {
	bad := func(err error) (*CheckedRequest, error) { return nil, fmt.Errorf("%s: %w", name, err) }
	hash, ok := hashes[template.SignatureAlgorithm]
	if !ok {
		return bad(fmt.Errorf("signature algorithm %s is not supported", template.SignatureAlgorithm))
	}
	key, err := c.throwaway(subject)
	if err != nil {
		return bad(err)
	}
	der, err := x509.CreateCertificateRequest(c.rand, template, key)
	if err != nil {
		return bad(err)
	}
	var outer certificate // of the same three parts
	if _, err := asn1.Unmarshal(der, &outer); err != nil {
		return bad(err)
	}
	if outer.TBS.FullBytes, err = about(outer.TBS.FullBytes, subject); err != nil {
		return bad(err)
	}
	if der, err = asn1.Marshal(outer); err != nil {
		return bad(err)
	}
	read, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return bad(err)
	}
	if read.SignatureAlgorithm != template.SignatureAlgorithm || !samePublicKey(read.PublicKey, subject) {
		return bad(errors.New("the request is not what was asked for"))
	}
	return &CheckedRequest{checked{name, hash, outer.Algorithm.FullBytes, subject}, read.RawTBSCertificateRequest}, nil
}

// about puts a public key into a DER CertificationRequestInfo.
func about(tbs []byte, subject crypto.PublicKey) ([]byte, error) {
	var info struct { // RFC 2986, 4.1
		Version    int
		Subject    asn1.RawValue
		PublicKey  asn1.RawValue
		Attributes asn1.RawValue
	}
	if _, err := asn1.Unmarshal(tbs, &info); err != nil {
		return nil, err
	}
	spki, err := x509.MarshalPKIXPublicKey(subject)
	if err != nil {
		return nil, err
	}
	info.PublicKey = asn1.RawValue{FullBytes: spki}
	return asn1.Marshal(info)
}

// SignRequest has key sign the request for itself and returns its DER. The
// signature is verified before anything is returned.
func SignRequest(ctx context.Context, c *CheckedRequest, key signer.Key) ([]byte, error) {
	if c == nil || c.tbs == nil {
		return nil, ErrNotChecked
	}
	return c.signed(ctx, key, c.tbs, func(der []byte) ([]byte, x509.SignatureAlgorithm, []byte, error) {
		request, err := x509.ParseCertificateRequest(der)
		if err != nil {
			return nil, 0, nil, err
		}
		return request.RawTBSCertificateRequest, request.SignatureAlgorithm, request.Signature, nil
	})
}
