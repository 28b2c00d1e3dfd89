package history

import (
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/transcript"
)

// State says how a certificate came on record.
type State uint8

const (
	Issued    State = iota // by a key of the ceremony
	Received               // by an external root, and taken in
	Adopted                // by nobody of ours: the cluster had it before its first ceremony
	Abandoned              // intended, and perhaps signed; counts as issued
)

// External is the signer of a received certificate.
const External = "external"

// Certificate is one certificate on record.
type Certificate struct {
	Of     *Record
	Name   string // the schedule's: "cp-1/apiserver", "kubernetes"
	Signer string // the authority's name; External; empty when adopted
	State  State
	Issuer *Issuer

	CA, SelfIssued      bool
	Serial              Serial
	SPKI                fingerprint.SHA256
	SHA256              fingerprint.SHA256 // of the certificate; zero when abandoned
	NotBefore, NotAfter time.Time

	offset int64
	size   int
}

// Issuer is what a certificate says of who signed it.
type Issuer struct {
	Name  []byte // DER
	KeyID []byte // authority key identifier
}

// By says whether an authority's certificate is the issuer's: one name may have had
// two keys.
func (i *Issuer) By(c *x509.Certificate) bool {
	return string(i.Name) == string(c.RawSubject) && string(i.KeyID) == string(c.SubjectKeyId)
}

// Serial is a serial number, which has 20 octets at most (RFC 5280, 4.1.2.2).
type Serial [20]byte

// SerialOf converts a number to a Serial; false if it cannot be one.
func SerialOf(n *big.Int) (s Serial, ok bool) {
	if n == nil || n.Sign() < 0 || n.BitLen() > 8*len(s) {
		return s, false
	}
	n.FillBytes(s[:])
	return s, true
}

// Int is the number.
func (s Serial) Int() *big.Int { return new(big.Int).SetBytes(s[:]) }

// String is it in hex, without leading zeros.
func (s Serial) String() string { return s.Int().Text(16) }

// Node is the node's name; empty when the certificate is an authority's.
func (c Certificate) Node() string {
	node, _, leaf := strings.Cut(c.Name, "/")
	if !leaf {
		return ""
	}
	return node
}

// File is the certificate's name on its node ("apiserver", "etcd/server").
func (c Certificate) File() string {
	_, file, _ := strings.Cut(c.Name, "/")
	return file
}

// Parse reads the certificate from its record again. An abandoned one has none.
func (c Certificate) Parse() (*x509.Certificate, error) {
	if c.State == Abandoned {
		return nil, fmt.Errorf("%s: %s (%s) was abandoned: no certificate is on record", c.Of.Source.Name, c.Name, c.Serial)
	}
	l, err := c.Of.Source.line(c.offset, c.size)
	if err != nil {
		return nil, err
	}
	var found []byte
	switch r := l.Record.(type) {
	case transcript.Issued:
		found = r.Certificate
	case transcript.Adopted:
		found = r.Certificate
	case transcript.Received:
		for _, one := range r.Certificates {
			if one.Name == c.Name {
				found = one.Certificate
			}
		}
	}
	if fingerprint.Of(found) != c.SHA256 {
		return nil, fmt.Errorf("%s: %s: %w", c.Of.Source.Name, c.Name, errChanged)
	}
	return x509.ParseCertificate(found)
}

var errChanged = errors.New("the record changed since it was read")
