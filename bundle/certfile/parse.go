package certfile

import (
	"crypto/x509"
	"fmt"
	"strings"
)

// Parse reads a certificate's DER. Its errors are Reason's.
func Parse(der []byte) (*x509.Certificate, error) {
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, Reason(err)
	}
	return c, nil
}

// reasons are by what the parser of Go says, which is the parser of Kubernetes: what is
// in order elsewhere and read by neither.
var reasons = []struct{ says, is string }{
	{"negative serial number", "its serial number is negative, which RFC 5280 (4.1.2.2) forbids and no program of " +
		"Kubernetes reads; its CA has to issue it anew"},
	{"invalid ECDSA parameters", "its ECDSA key spells its curve out (explicit parameters, RFC 5480, 2.1.1), which " +
		"no program of Kubernetes reads; it has to be made anew with a key whose curve is named " +
		"(openssl ec -param_enc named_curve)"},
	{"unsupported elliptic curve", "its ECDSA key is on a curve that no program of Kubernetes reads; " +
		"P-256, P-384 and P-521 are read"},
}

// Reason says of an error of crypto/x509 what it means for a certificate or a request, where
// that is known, and what would be read instead.
func Reason(err error) error {
	for _, r := range reasons {
		if strings.Contains(err.Error(), r.says) {
			return fmt.Errorf("%s (%w)", r.is, err)
		}
	}
	return err
}
