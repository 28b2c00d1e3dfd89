package attestation

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"

	"officiant/signer/attestation/roots"
)

// ErrNoRoot is an attestation that leads to no root that is known here.
var ErrNoRoot = errors.New("it leads to no root that is built in or given")

// maxCertificates is how many certificates a file or an attribute may hold.
const maxCertificates = 32

// ParseRoots reads PEM certificates, and nothing else among them.
func ParseRoots(text []byte) ([]*x509.Certificate, error) {
	var out []*x509.Certificate
	for {
		block, rest := pem.Decode(text)
		switch {
		case block == nil && len(out) == 0:
			return nil, errors.New("no certificate in PEM in it")
		case block == nil:
			return out, nil
		case block.Type != "CERTIFICATE":
			return nil, fmt.Errorf("a %.40q in it, where certificates alone belong", block.Type)
		case len(out) == maxCertificates:
			return nil, fmt.Errorf("more than %d certificates in it", maxCertificates)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d in it: %w", len(out)+1, err)
		}
		out, text = append(out, c), rest
	}
}

// Formats of a backend's attestations.
var formats = map[string][]string{
	"pkcs11": {"yubikey-piv", "yubihsm2"},
	"gcpkms": {cavium1, cavium2},
}

// Verify verifies what is on record of the attestation of a key: its attributes, and its
// DER SubjectPublicKeyInfo. The roots given are trusted beside those built in. It says what
// it was verified up to.
func Verify(backend string, said map[string]string, spki []byte, given []*x509.Certificate) (string, error) {
	switch format := said["attestation.format"]; {
	case formats[backend] == nil:
		return "", fmt.Errorf("a key in %s has none", backend)
	case said["attestation.result"] != "verified":
		return "", fmt.Errorf("when the key was made or found, the result was %q", said["attestation.result"])
	case !slices.Contains(formats[backend], format):
		return "", fmt.Errorf("its format is %q", format)
	case backend == "gcpkms":
		return verifyCavium(format, said, spki, given)
	default:
		return verifyYubico(format, said, spki, given)
	}
}

// anchors are the certificates that may vouch for a maker's devices.
func anchors(builtIn []byte, given []*x509.Certificate) ([]*x509.Certificate, error) {
	known, err := ParseRoots(builtIn)
	return append(known, given...), err
}

// chain reads certificates, one a word.
func chain(said map[string]string, name string) ([]*x509.Certificate, error) {
	words := strings.Fields(said[name])
	if len(words) == 0 || len(words) > maxCertificates {
		return nil, fmt.Errorf("%s: there are %d", name, len(words))
	}
	var out []*x509.Certificate
	for _, w := range words {
		der, err := base64.StdEncoding.Strict().DecodeString(w)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		out = append(out, c)
	}
	return out, nil
}

// signedBy says whether parent signed c.
func signedBy(c, parent *x509.Certificate) bool {
	return bytes.Equal(c.RawIssuer, parent.RawSubject) &&
		parent.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) == nil
}

func sum(c *x509.Certificate) string {
	s := sha256.Sum256(c.Raw)
	return hex.EncodeToString(s[:])
}

// isYubiHSMRoot knows the one root by its sum.
func isYubiHSMRoot(c *x509.Certificate) bool { return sum(c) == roots.YubiHSM2 }
