package audit

import (
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"net/netip"
)

var (
	oidOrganization = asn1.ObjectIdentifier{2, 5, 4, 10}
	oidCommonName   = asn1.ObjectIdentifier{2, 5, 4, 3}

	oidSubjectKeyID     = asn1.ObjectIdentifier{2, 5, 29, 14}
	oidKeyUsage         = asn1.ObjectIdentifier{2, 5, 29, 15}
	oidAltNames         = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidBasicConstraints = asn1.ObjectIdentifier{2, 5, 29, 19}
	oidAuthorityKeyID   = asn1.ObjectIdentifier{2, 5, 29, 35}
	oidExtKeyUsage      = asn1.ObjectIdentifier{2, 5, 29, 37}
)

// tbs is a TBSCertificate of version 3. It has no place for the unique
// identifiers, which x509 passes over in silence.
type tbs struct {
	Version    int `asn1:"explicit,tag:0"`
	Serial     *big.Int
	Algorithm  pkix.AlgorithmIdentifier
	Issuer     asn1.RawValue
	Validity   asn1.RawValue
	Subject    asn1.RawValue
	PublicKey  asn1.RawValue
	Extensions []pkix.Extension `asn1:"explicit,tag:3"`
}

func parseTBS(der []byte) (*tbs, error) {
	var t tbs
	rest, err := asn1.Unmarshal(der, &t)
	if err != nil {
		return nil, fmt.Errorf("not the to-be-signed part of a version 3 certificate with extensions alone: %w", err)
	}
	if len(rest) > 0 || t.Version != 2 {
		return nil, errors.New("not the to-be-signed part of a version 3 certificate")
	}
	return &t, nil
}

// subjectDER is a subject as ceremonies write it: each O, then CN, every one in
// an RDN of its own.
func subjectDER(organization []string, commonName string) ([]byte, error) {
	var rdns pkix.RDNSequence
	for _, o := range organization {
		rdns = append(rdns, pkix.RelativeDistinguishedNameSET{{Type: oidOrganization, Value: o}})
	}
	rdns = append(rdns, pkix.RelativeDistinguishedNameSET{{Type: oidCommonName, Value: commonName}})
	return asn1.Marshal(rdns)
}

// altNames reads a subjectAltName extension. Any kind of name but DNS and IP is
// an error; x509 would pass over some of them.
func altNames(value []byte) (dns []string, ips []netip.Addr, err error) {
	var names []asn1.RawValue
	if rest, err := asn1.Unmarshal(value, &names); err != nil || len(rest) > 0 {
		return nil, nil, errors.New("subject alternative names cannot be read")
	}
	for _, n := range names {
		if n.Class != asn1.ClassContextSpecific || n.IsCompound {
			return nil, nil, fmt.Errorf("a subject alternative name of kind %d", n.Tag)
		}
		switch n.Tag {
		case 2:
			dns = append(dns, string(n.Bytes))
		case 7:
			ip, ok := netip.AddrFromSlice(n.Bytes)
			if !ok {
				return nil, nil, fmt.Errorf("an IP address of %d bytes", len(n.Bytes))
			}
			ips = append(ips, ip)
		default:
			return nil, nil, fmt.Errorf("a subject alternative name of kind %d", n.Tag)
		}
	}
	return dns, ips, nil
}

// keyID is the identifier ceremonies give a key: the leftmost 160 bits of the
// SHA-256 of its bits (RFC 7093, section 2, method 1).
func keyID(spki []byte) ([]byte, error) {
	var s struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	if rest, err := asn1.Unmarshal(spki, &s); err != nil || len(rest) > 0 {
		return nil, errors.New("public key cannot be read")
	}
	sum := sha256.Sum256(s.Key.Bytes)
	return sum[:20], nil
}

// authorityKeyID is the extension that names nothing but a key identifier.
func authorityKeyID(id []byte) ([]byte, error) {
	return asn1.Marshal(struct {
		ID []byte `asn1:"tag:0"`
	}{id})
}

// extensions says which extensions are wrong by themselves: one that is not
// among want (by OID, whether critical), one that is missing, twice, or
// critical where it must not be.
func extensions(found []pkix.Extension, want map[string]bool) []string {
	var out []string
	seen := map[string]bool{}
	for _, e := range found {
		id := e.Id.String()
		critical, ok := want[id]
		switch {
		case !ok:
			out = append(out, "has extension "+id+", which was not planned")
		case seen[id]:
			out = append(out, "has extension "+id+" twice")
		case critical != e.Critical:
			out = append(out, fmt.Sprintf("extension %s: critical is %t, must be %t", id, e.Critical, critical))
		}
		seen[id] = true
	}
	for _, id := range sortedKeys(want) {
		if !seen[id] {
			out = append(out, "lacks extension "+id)
		}
	}
	return out
}

func extension(cert *x509.Certificate, id asn1.ObjectIdentifier) []byte {
	for _, e := range cert.Extensions {
		if e.Id.Equal(id) {
			return e.Value
		}
	}
	return nil
}
