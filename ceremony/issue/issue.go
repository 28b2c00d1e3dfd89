package issue

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"strings"

	"officiant/ceremony/lint"
	"officiant/signer"
)

// Checker checks what is about to be signed. It is safe for concurrent use.
type Checker struct{}

// NewChecker makes the throw-away key that signs before the token does.
func NewChecker(rand io.Reader) (*Checker, error) { return &Checker{}, nil }

// Checked is a certificate that may be signed. Only Check makes one.
type Checked struct {
	name   string
	tbs    []byte
	serial *big.Int
}

func (c *Checked) Name() string     { return c.name }
func (c *Checked) TBS() []byte      { return c.tbs }
func (c *Checked) Serial() *big.Int { return c.serial }

// Refused says why a certificate may not be signed.
type Refused struct {
	Name     string
	Findings []lint.Finding
}

func (e *Refused) Error() string {
	var b strings.Builder
	b.WriteString(e.Name + " refused")
	for _, f := range e.Findings {
		b.WriteString("\n  " + f.String())
	}
	return b.String()
}

// Check makes the to-be-signed bytes of template and lints them. issuer is nil
// for a self-signed certificate.
func (c *Checker) Check(template, issuer *x509.Certificate, issuerKey, subject crypto.PublicKey, in lint.Context) (*Checked, error) {
	return nil, errors.New("not yet")
}

// Sign has key sign c and returns the certificate's DER.
func Sign(ctx context.Context, c *Checked, key signer.Key) ([]byte, error) {
	return nil, errors.New("not yet")
}

// SignAll signs all of checked with up to workers signatures at a time. The
// result keeps the order; after an error it holds what was signed, nil elsewhere.
func SignAll(ctx context.Context, checked []*Checked, key signer.Key, workers int) ([][]byte, error) {
	return nil, errors.New("not yet")
}

// File has the release key sign a file's SHA-256.
func File(ctx context.Context, sum [32]byte, key signer.Key) ([]byte, error) {
	return nil, errors.New("not yet")
}
