package profile

import (
	"crypto"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"time"

	"officiant/ceremony/plan"
)

// Certificate returns the template of a schedule entry's certificate. issuer is
// nil for a self-signed one.
func Certificate(e plan.Entry, pub crypto.PublicKey, serial *big.Int, notBefore time.Time, issuer *x509.Certificate) (*x509.Certificate, error) {
	return nil, errors.New("not yet")
}

// Serial returns a serial number with 127 random bits that used does not know.
func Serial(rand io.Reader, used func(*big.Int) bool) (*big.Int, error) {
	return nil, errors.New("not yet")
}
