package certfile

import (
	"bytes"
	"encoding/asn1"
	"errors"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// kind is what a file holds in place of a certificate.
type kind struct {
	is      string // "a private key"
	way     string // how it becomes a certificate; "" when it never does
	private bool
}

func (k kind) error() error {
	text := "holds " + k.is + " and no certificate"
	if k.way != "" {
		text += "; " + k.way
	}
	return errors.New(text)
}

var privateKey = kind{is: "a private key", private: true}

// pemKinds are blocks by their type; openssl and ssh-keygen write each of them.
var pemKinds = map[string]kind{
	"TRUSTED CERTIFICATE": {is: "openssl's own form TRUSTED CERTIFICATE, which Kubernetes does not read,",
		way: "`openssl x509 -in FILE -out OTHER` writes it as others do"},
	"X509 CERTIFICATE": {is: "a block X509 CERTIFICATE, an old name that Kubernetes does not read,",
		way: "`openssl x509 -in FILE -out OTHER` writes it as others do"},
	certificate: {is: "a block CERTIFICATE with headers of its own, which Kubernetes does not read,",
		way: "`openssl x509 -in FILE -out OTHER` writes it without"},
	"PKCS7": {is: "PKCS #7", way: "`openssl pkcs7 -print_certs -in FILE -out OTHER` writes its certificates out"},
	"CMS": {is: "PKCS #7 (CMS)",
		way: "`sed s/CMS-/PKCS7-/ FILE | openssl pkcs7 -print_certs -out OTHER` writes its " +
			"certificates out"},
	"CERTIFICATE REQUEST":     {is: "a certificate request", way: "take the certificate that a CA made of it"},
	"NEW CERTIFICATE REQUEST": {is: "a certificate request", way: "take the certificate that a CA made of it"},
	"X509 CRL":                {is: "a revocation list"},
	"PUBLIC KEY":              {is: "a public key"},
	"RSA PUBLIC KEY":          {is: "a public key"},
	"EC PARAMETERS":           {is: "parameters of a key"},
	"DH PARAMETERS":           {is: "parameters of a key"},
	"PRIVATE KEY":             privateKey,
	"EC PRIVATE KEY":          privateKey,
	"RSA PRIVATE KEY":         privateKey,
	"DSA PRIVATE KEY":         privateKey,
	"ENCRYPTED PRIVATE KEY":   privateKey,
	"OPENSSH PRIVATE KEY":     privateKey,
}

// isDER says whether data begins as an ASN.1 sequence does, and as no text does.
func isDER(data []byte) bool {
	s := cryptobyte.String(data)
	var inner cryptobyte.String
	return len(data) > 2 && data[0] == 0x30 && (data[1]&0x80 != 0 || s.ReadASN1(&inner, cbasn1.SEQUENCE))
}

var oidSignedData = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}

// derKind tells files in DER apart by their first field; nil when it is another one.
func derKind(data []byte) *kind {
	s := cryptobyte.String(data)
	var inner, part cryptobyte.String
	var version int64
	switch {
	case isPKCS7(data):
		return &kind{is: "PKCS #7 in DER", way: pkcs7DER + " writes its certificates out"}
	case !s.ReadASN1(&inner, cbasn1.SEQUENCE):
		return nil
	case inner.PeekASN1Tag(cbasn1.INTEGER):
		if !inner.ReadASN1Integer(&version) {
			return nil
		}
		if version == 3 && inner.PeekASN1Tag(cbasn1.SEQUENCE) {
			return &kind{is: "PKCS #12 (.p12, .pfx)", private: true,
				way: "`openssl pkcs12 -nokeys -in FILE -out OTHER` writes its certificates out"}
		}
		k := privateKey
		return &k
	case !inner.ReadASN1(&part, cbasn1.SEQUENCE):
		return nil
	case inner.PeekASN1Tag(cbasn1.BIT_STRING):
		return &kind{is: "a public key"}
	case inner.PeekASN1Tag(cbasn1.OCTET_STRING) && part.PeekASN1Tag(cbasn1.OBJECT_IDENTIFIER): // PKCS #8, encrypted
		k := privateKey
		return &k
	}
	return signedKind(part)
}

// signedKind tells what else is signed apart from a certificate, by what stands behind
// its version (RFC 2986 section 4.1, RFC 5280 section 5.1).
func signedKind(part cryptobyte.String) *kind {
	var field cryptobyte.String
	var version int64
	if part.PeekASN1Tag(cbasn1.INTEGER) && (!part.ReadASN1Integer(&version) || version > 1) ||
		!part.ReadASN1(&field, cbasn1.SEQUENCE) {
		return nil
	}
	if !field.PeekASN1Tag(cbasn1.OBJECT_IDENTIFIER) {
		k := pemKinds["CERTIFICATE REQUEST"]
		return &k
	}
	if part.SkipASN1(cbasn1.SEQUENCE) &&
		(part.PeekASN1Tag(cbasn1.UTCTime) || part.PeekASN1Tag(cbasn1.GeneralizedTime)) {
		k := pemKinds["X509 CRL"]
		return &k
	}
	return nil
}

func isPKCS7(data []byte) bool {
	// A CA may have written it with lengths that are not known before (BER): openssl
	// reads that.
	if len(data) > 2 && data[0] == 0x30 && data[1] == 0x80 {
		return bytes.HasPrefix(data[2:], []byte("\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02"))
	}
	s := cryptobyte.String(data)
	var inner cryptobyte.String
	var oid asn1.ObjectIdentifier
	return s.ReadASN1(&inner, cbasn1.SEQUENCE) && inner.ReadASN1ObjectIdentifier(&oid) && oid.Equal(oidSignedData)
}
