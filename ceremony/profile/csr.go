package profile

import (
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"

	"officiant/ceremony/schedule"
)

// Request returns the template of the certificate request that e asks for, for
// the public key pub: the subject, and as extensions what the certificate has to
// have, so that a CA that copies them makes the right one.
func Request(e schedule.Entry, pub crypto.PublicKey) (*x509.CertificateRequest, error) {
	if e.Kind != schedule.RequestSignature || !e.IsCA {
		return nil, errors.New("only an authority asks an external root for its certificate")
	}
	if e.SignatureAlgorithm == x509.UnknownSignatureAlgorithm {
		return nil, errors.New("the entry names no signature algorithm")
	}
	ski, err := keyID(e, pub)
	if err != nil {
		return nil, err
	}
	extensions, err := requested(e, ski)
	if err != nil {
		return nil, err
	}
	return &x509.CertificateRequest{Subject: subject(e), SignatureAlgorithm: e.SignatureAlgorithm, ExtraExtensions: extensions}, nil
}

// requested encodes the extensions of a CA, as RFC 5280, 4.2.1 has them.
func requested(e schedule.Entry, ski []byte) ([]pkix.Extension, error) {
	constraints, err := asn1.Marshal(struct {
		IsCA       bool
		MaxPathLen int
	}{true, e.MaxPathLen})
	if err != nil {
		return nil, err
	}
	id, err := asn1.Marshal(ski)
	if err != nil {
		return nil, err
	}
	usage, err := keyUsage(e.KeyUsage)
	if err != nil {
		return nil, err
	}
	extended, err := extendedUsage(e.ExtKeyUsage)
	if err != nil {
		return nil, err
	}
	return []pkix.Extension{
		{Id: asn1.ObjectIdentifier{2, 5, 29, 19}, Critical: true, Value: constraints},
		{Id: asn1.ObjectIdentifier{2, 5, 29, 15}, Critical: true, Value: usage},
		{Id: asn1.ObjectIdentifier{2, 5, 29, 37}, Value: extended},
		{Id: asn1.ObjectIdentifier{2, 5, 29, 14}, Value: id},
	}, nil
}

// keyUsage is the bit string of RFC 5280, 4.2.1.3: bit 0 comes first, and no
// trailing zeros.
func keyUsage(u x509.KeyUsage) ([]byte, error) {
	if u == 0 || u >= 1<<8 {
		return nil, errors.New("key usage is none that an authority has")
	}
	var b byte
	length := 0
	for i := range 8 {
		if u&(1<<i) != 0 {
			b |= 1 << (7 - i)
			length = i + 1
		}
	}
	return asn1.Marshal(asn1.BitString{Bytes: []byte{b}, BitLength: length})
}

func extendedUsage(list []x509.ExtKeyUsage) ([]byte, error) {
	var oids []asn1.ObjectIdentifier
	for _, u := range list {
		switch u {
		case x509.ExtKeyUsageServerAuth:
			oids = append(oids, asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 1})
		case x509.ExtKeyUsageClientAuth:
			oids = append(oids, asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 2})
		default:
			return nil, errors.New("extended key usage is none that an authority has")
		}
	}
	return asn1.Marshal(oids)
}
