package attestation

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"officiant/signer/attestation/roots"
)

// ErrNone says that no certificate is an attestation of the key.
var ErrNone = errors.New("no certificate is an attestation of this key")

// ErrNoRoot is an attestation that is sound in itself, but no root that we know vouches
// for the token that made it.
var ErrNoRoot = errors.New("its certificates end at no root that is known")

// Formats, as they stand in the record.
const (
	PIV     = "yubikey-piv"
	YubiHSM = "yubihsm2"
)

// Statement is what a token says of a key.
type Statement struct {
	Format string
	Claims map[string]string   // "firmware", "serial", "pin-policy", …
	Chain  []*x509.Certificate // the key's first, what was relied on last
}

// Roots are certificates that may vouch for tokens, and the sums of such.
type Roots struct {
	Certificates []*x509.Certificate
	Sums         []string // SHA-256 of the DER, in lower-case hex
}

// BuiltIn are the roots of the makers that are known.
func BuiltIn() (Roots, error) {
	certs, err := Parse(roots.Yubico)
	return Roots{certs, []string{roots.YubiHSM2}}, err
}

// most is how many certificates are looked at.
const most = 64

// Parse reads PEM certificates, and nothing else among them.
func Parse(text []byte) ([]*x509.Certificate, error) {
	var out []*x509.Certificate
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("holds a %.40q, not certificates alone", block.Type)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		if out = append(out, c); len(out) > most {
			return nil, fmt.Errorf("more than %d certificates", most)
		}
	}
	if len(out) == 0 {
		return nil, errors.New("holds no certificate in PEM")
	}
	return out, nil
}

// Verify finds the attestation of a key, by its DER SubjectPublicKeyInfo, among
// certificates of its token and others, and verifies it up to roots.
func Verify(spki []byte, among []*x509.Certificate, trusted Roots) (*Statement, error) {
	for _, leaf := range among {
		if !bytes.Equal(leaf.RawSubjectPublicKeyInfo, spki) {
			continue
		}
		switch {
		case has(leaf, pivArc, pivPolicy):
			return verifyPIV(leaf, among, trusted)
		case has(leaf, hsmArc, hsmOrigin):
			return verifyHSM(leaf, among, trusted)
		}
	}
	return nil, ErrNone
}

// trusts says whether a root vouches for c by itself.
func (r Roots) trusts(c *x509.Certificate) bool {
	sum := sha256.Sum256(c.Raw)
	return slices.ContainsFunc(r.Certificates, c.Equal) || slices.Contains(r.Sums, hex.EncodeToString(sum[:]))
}

// issuer finds who signed c.
func issuer(c *x509.Certificate, among []*x509.Certificate) *x509.Certificate {
	for _, by := range among {
		if bytes.Equal(by.RawSubject, c.RawIssuer) && signed(by, c) {
			return by
		}
	}
	return nil
}

func signed(by, c *x509.Certificate) bool {
	if key, ok := by.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() < 2048 {
		return false
	}
	return by.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) == nil
}

func verifyPIV(leaf *x509.Certificate, among []*x509.Certificate, trusted Roots) (*Statement, error) {
	s := &Statement{Format: PIV, Claims: map[string]string{}, Chain: []*x509.Certificate{leaf}}
	if err := s.piv(leaf); err != nil {
		return nil, err
	}
	device := issuer(leaf, among)
	switch {
	case device == nil:
		return nil,
			errors.New("the certificate of the YubiKey's attestation key (slot f9), which signed it, is not there")
	case has(device, pivArc, pivPolicy):
		return nil, fmt.Errorf("it is signed by %.80q, which is no YubiKey's attestation key", device.Subject)
	}
	maker := issuer(device, trusted.Certificates)
	if maker == nil {
		return nil, fmt.Errorf("%w: the YubiKey's is by %.80q", ErrNoRoot, device.Issuer)
	}
	s.Chain = append(s.Chain, device, maker)
	return s, nil
}

func verifyHSM(leaf *x509.Certificate, among []*x509.Certificate, trusted Roots) (*Statement, error) {
	s := &Statement{Format: YubiHSM, Claims: map[string]string{}, Chain: []*x509.Certificate{leaf}}
	if err := s.hsm(leaf); err != nil {
		return nil, err
	}
	all := slices.Concat(among, trusted.Certificates)
	device := issuer(leaf, all)
	switch {
	case device == nil:
		return nil,
			errors.New("the certificate of the YubiHSM's attestation key (object 0), which signed it, is not there")
	case device.Subject.CommonName != "YubiHSM Attestation ("+s.Claims["serial"]+")":
		return nil, fmt.Errorf("it is signed by %.80q, and says that it is of serial %s", device.Subject,
			s.Claims["serial"])
	case leaf.IsCA || !device.IsCA || device.MaxPathLen != 0:
		return nil, errors.New("the YubiHSM's certificate lets it vouch for certificates, not for keys alone")
	}
	batch := issuer(device, all)
	if batch == nil || !batch.IsCA {
		return nil, fmt.Errorf("%w: the YubiHSM's is by %.80q", ErrNoRoot, device.Issuer)
	}
	s.Chain = append(s.Chain, device, batch)
	root := issuer(batch, all)
	if root == nil || !root.IsCA || !trusted.trusts(root) {
		return nil, fmt.Errorf("%w: the batch's is by %.80q", ErrNoRoot, batch.Issuer)
	}
	s.Chain = append(s.Chain, root)
	return s, nil
}

// Attributes are what goes into the record: the claims, the certificates, and the
// sum of the one that was relied on.
func (s *Statement) Attributes() map[string]string {
	var chain []string
	for _, c := range s.Chain {
		chain = append(chain, base64.StdEncoding.EncodeToString(c.Raw))
	}
	sum := sha256.Sum256(s.Chain[len(s.Chain)-1].Raw)
	out := map[string]string{
		"attestation.format":       s.Format,
		"attestation.certificates": strings.Join(chain, " "),
		"attestation.roots":        hex.EncodeToString(sum[:]),
		"attestation.result":       "verified",
	}
	for name, value := range maps.All(s.Claims) {
		out["attestation."+name] = value
	}
	return out
}
