package policy

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
)

var oidSAN = asn1.ObjectIdentifier{2, 5, 29, 17}

// parse reads a request: one PEM block, signed by its own key, with no extension but
// alternative names, and of those none but DNS names and addresses.
func parse(text []byte) (*x509.CertificateRequest, *Refusal) {
	if len(text) > MaxCSR {
		return nil, refuse(Size, "the request has %d bytes, more than %d", len(text), MaxCSR)
	}
	block, rest := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE REQUEST" || len(block.Headers) > 0 ||
		len(bytes.TrimSpace(rest)) > 0 ||
		!bytes.HasPrefix(bytes.TrimSpace(text), []byte("-----BEGIN")) {
		return nil, refuse(Malformed, "not one certificate request in PEM")
	}
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil, refuse(Malformed, "%v", err)
	}
	if err := csr.CheckSignature(); err != nil {
		return nil, refuse(Signature, "%v", err)
	}
	for _, e := range csr.Extensions {
		if !e.Id.Equal(oidSAN) {
			return nil, refuse(Extension, "the request has the extension %s; it may have alternative names alone", e.Id)
		}
		if refusal := plainNames(e.Value); refusal != nil {
			return nil, refusal
		}
	}
	return csr, nil
}

// plainNames looks at the kinds of names themselves: x509 passes over those that it does
// not know.
func plainNames(der []byte) *Refusal {
	var list []asn1.RawValue
	if rest, err := asn1.Unmarshal(der, &list); err != nil || len(rest) > 0 {
		return refuse(Malformed, "the alternative names are no list of names")
	}
	const dns, ip = 2, 7 // RFC 5280, 4.2.1.6
	for _, n := range list {
		if n.Class != asn1.ClassContextSpecific || n.Tag != dns && n.Tag != ip {
			return refuse(SANKind, "an alternative name is neither a DNS name nor an address")
		}
	}
	return nil
}
