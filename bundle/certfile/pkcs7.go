package certfile

import (
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

const (
	pkcs7PEM = "`openssl pkcs7 -print_certs -in FILE -out OTHER`"
	pkcs7DER = "`openssl pkcs7 -inform der -print_certs -in FILE -out OTHER`"
)

// fromPKCS7 reads the certificates of a SignedData that signs nothing, the form of a
// .p7b (RFC 2315 section 9.1, RFC 5652 section 5.1). Its revocation lists are passed
// over; a signature, where there is one, shows nothing that the certificates do not.
// way is openssl's command for the form the file is in, which reads BER as well.
func fromPKCS7(der []byte, way string) ([]*x509.Certificate, error) {
	bad := errors.New("is PKCS #7 in a form that is not read here; " + way + " may write its certificates out")
	s := cryptobyte.String(der)
	var outer, explicit, signed, skip, set cryptobyte.String
	var oid asn1.ObjectIdentifier
	var version int64
	var there bool
	ok := s.ReadASN1(&outer, cbasn1.SEQUENCE) && outer.ReadASN1ObjectIdentifier(&oid) && oid.Equal(oidSignedData) &&
		outer.ReadASN1(&explicit, cbasn1.Tag(0).ContextSpecific().Constructed()) &&
		explicit.ReadASN1(&signed, cbasn1.SEQUENCE) && signed.ReadASN1Integer(&version) &&
		signed.ReadASN1(&skip, cbasn1.SET) && signed.ReadASN1(&skip, cbasn1.SEQUENCE) &&
		signed.ReadOptionalASN1(&set, &there, cbasn1.Tag(0).ContextSpecific().Constructed())
	if !ok {
		return nil, bad
	}
	var list []*x509.Certificate
	for !set.Empty() {
		var one cryptobyte.String
		if !set.ReadASN1Element(&one, cbasn1.SEQUENCE) { // an attribute certificate, or one of PKCS #6
			return nil, bad
		}
		c, err := Parse(one)
		if err != nil {
			return nil, fmt.Errorf("certificate %d of the PKCS #7: %w", len(list)+1, err)
		}
		if list = append(list, c); len(list) > Max {
			return nil, fmt.Errorf("holds more than %d certificates", Max)
		}
	}
	if len(list) == 0 {
		return nil, errors.New("is PKCS #7 and holds no certificate; a CA may have sent its answer without")
	}
	return list, nil
}
