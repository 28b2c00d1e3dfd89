package profile

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/netip"
	"time"

	"officiant/ceremony/schedule"
)

// Certificate returns the template of e's certificate for the public key pub.
// issuer is nil for a self-signed one. Errors name no file; e.Name is the caller's.
func Certificate(e schedule.Entry, pub crypto.PublicKey, serial *big.Int, notBefore time.Time,
	issuer *x509.Certificate) (*x509.Certificate, error) {
	if (issuer == nil) != (e.Kind == schedule.RootCertificate) {
		return nil, errors.New("a root, and nothing else, is without an issuer")
	}
	ski, err := keyID(e, pub)
	if err != nil {
		return nil, err
	}
	begin, end, err := lifetime(e, notBefore, issuer)
	if err != nil {
		return nil, err
	}
	addresses, err := addresses(e.IPAddresses)
	if err != nil {
		return nil, err
	}
	c := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               subject(e),
		NotBefore:             begin,
		NotAfter:              end,
		PublicKey:             pub,
		SignatureAlgorithm:    e.SignatureAlgorithm,
		KeyUsage:              e.KeyUsage,
		ExtKeyUsage:           e.ExtKeyUsage,
		BasicConstraintsValid: true,
		SubjectKeyId:          ski,
		AuthorityKeyId:        ski,
		DNSNames:              e.DNSNames,
		IPAddresses:           addresses,
	}
	if e.SignatureAlgorithm == x509.UnknownSignatureAlgorithm {
		return nil, errors.New("the entry names no signature algorithm")
	}
	if e.IsCA != (e.Kind != schedule.LeafCertificate) {
		return nil, fmt.Errorf("kind %s and CA flag disagree", e.Kind)
	}
	if e.IsCA {
		c.IsCA, c.MaxPathLen, c.MaxPathLenZero = true, e.MaxPathLen, e.MaxPathLen == 0
	}
	if issuer != nil {
		if len(issuer.SubjectKeyId) == 0 {
			return nil, fmt.Errorf("issuer %s has no subject key identifier", issuer.Subject)
		}
		c.AuthorityKeyId = issuer.SubjectKeyId
	}
	return c, nil
}

// lifetime returns when the certificate is valid, in whole seconds.
func lifetime(e schedule.Entry, notBefore time.Time, issuer *x509.Certificate) (begin, end time.Time, err error) {
	begin = notBefore.UTC().Truncate(time.Second)
	end = begin.Add(e.Duration).Truncate(time.Second)
	if e.Duration < time.Second {
		return begin, end, fmt.Errorf("duration %s is no lifetime", e.Duration)
	}
	if issuer != nil && (end.After(issuer.NotAfter) || begin.Before(issuer.NotBefore)) {
		return begin, end, fmt.Errorf("valid from %s to %s, its issuer %s only from %s to %s",
			begin.Format(time.RFC3339), end.Format(time.RFC3339), issuer.Subject.CommonName,
			issuer.NotBefore.UTC().Format(time.RFC3339), issuer.NotAfter.UTC().Format(time.RFC3339))
	}
	return begin, end, nil
}

var (
	oidOrganization = asn1.ObjectIdentifier{2, 5, 4, 10}
	oidCommonName   = asn1.ObjectIdentifier{2, 5, 4, 3}
)

// subject gives each attribute an RDN of its own; pkix would put all O's into one.
func subject(e schedule.Entry) pkix.Name {
	n := pkix.Name{CommonName: e.CommonName, Organization: e.Organization}
	for _, o := range e.Organization {
		n.ExtraNames = append(n.ExtraNames, pkix.AttributeTypeAndValue{Type: oidOrganization, Value: o})
	}
	n.ExtraNames = append(n.ExtraNames, pkix.AttributeTypeAndValue{Type: oidCommonName, Value: e.CommonName})
	return n
}

func addresses(in []netip.Addr) ([]net.IP, error) {
	var out []net.IP
	for _, a := range in {
		if !a.IsValid() || a.Zone() != "" {
			return nil, fmt.Errorf("IP address %s has no place in a certificate", a)
		}
		out = append(out, a.Unmap().AsSlice())
	}
	return out, nil
}

// keyID is RFC 7093, section 2, method 1. A key that is not the entry's, where
// the schedule names one, is an error.
func keyID(e schedule.Entry, pub crypto.PublicKey) ([]byte, error) {
	switch pub.(type) {
	case *ecdsa.PublicKey, *rsa.PublicKey:
	default:
		return nil, fmt.Errorf("public key of type %T is neither ECDSA nor RSA", pub)
	}
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, fmt.Errorf("public key: %w", err)
	}
	if planned := [sha256.Size]byte(e.SPKI); planned != [sha256.Size]byte{} && planned != sha256.Sum256(der) {
		return nil, errors.New("public key is not the one the schedule names")
	}
	var spki struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	if _, err := asn1.Unmarshal(der, &spki); err != nil {
		return nil, fmt.Errorf("public key: %w", err)
	}
	sum := sha256.Sum256(spki.Key.Bytes)
	return sum[:20], nil
}

// tries bounds the search for an unused serial: a second try is a sign of a
// broken source of randomness, a third of worse.
const tries = 8

// Serial returns a positive serial number of 127 random bits that used, when
// not nil, does not know.
func Serial(rand io.Reader, used func(*big.Int) bool) (*big.Int, error) {
	var b [16]byte
	for range tries {
		if _, err := io.ReadFull(rand, b[:]); err != nil {
			return nil, fmt.Errorf("serial: %w", err)
		}
		b[0] &= 0x7f // positive in 16 octets
		s := new(big.Int).SetBytes(b[:])
		// 64 bits and fewer come once in 2^63 times, or from a source that is not random.
		if s.BitLen() > 64 && (used == nil || !used(s)) {
			return s, nil
		}
	}
	return nil, errors.New("serial: the source of randomness repeats itself")
}
