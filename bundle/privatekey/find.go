package privatekey

import (
	"bytes"
	"crypto"
	"crypto/x509"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Bounds of the search, so that its time grows with the length of what is searched
// and nothing else.
const (
	maxDER    = 64 << 10 // of a private key; an RSA one of 16384 bits has 9 KiB
	maxParsed = 5 << 10  // of one that is read for its public half; RSA of 8192 bits
	maxKeys   = 16       // that are read so, of one text; more are found, and nameless
)

// Found is a private key found inside other data.
type Found struct {
	Public crypto.PublicKey // nil where it is not known
}

// Find finds private keys in DER anywhere in data: PKCS #8 and PKCS #1 begin with a
// version 0, SEC 1 with a version 1 and an octet string, whatever the algorithm.
// Of keys in each other, as PKCS #8 has one inside, the outer one is found.
func Find(data []byte) []Found {
	var found []Found
	for i := 0; ; {
		n := bytes.Index(data[i:], []byte("\x02\x01"))
		if n < 0 || i+n+2 >= len(data) {
			return found
		}
		i += n
		if data[i+2] <= 1 {
			if der := sequence(data, i); der != nil && keyShape(der) {
				f := Found{}
				if len(found) < maxKeys {
					f.Public = public(der)
				}
				found = append(found, f)
				i += len(der) - headerLength(len(der))
				continue
			}
		}
		i++
	}
}

// IsDER says whether data is one private key in DER.
func IsDER(data []byte) bool { return len(data) <= maxDER && keyShape(data) }

// sequence is the DER SEQUENCE whose content begins at i; nil when there is none,
// or it is longer than any key.
func sequence(data []byte, i int) []byte {
	for header := 2; header <= 5 && header <= i; header++ {
		at := i - header
		s := cryptobyte.String(data[at:min(len(data), at+maxDER)])
		var der cryptobyte.String
		if data[at] == 0x30 && s.ReadASN1Element(&der, asn1.SEQUENCE) && headerLength(len(der)) == header {
			return der
		}
	}
	return nil
}

// headerLength is that of a DER element of this length in all.
func headerLength(length int) int {
	switch {
	case length <= 2+0x7f:
		return 2
	case length <= 3+0xff:
		return 3
	case length <= 4+0xffff:
		return 4
	}
	return 5
}

// keyShape says whether der is built as a private key is. Nothing is copied.
func keyShape(der []byte) bool {
	s := cryptobyte.String(der)
	var inner cryptobyte.String
	var version int64
	if !s.ReadASN1(&inner, asn1.SEQUENCE) || !s.Empty() || !inner.ReadASN1Integer(&version) || version < 0 || version > 1 {
		return false
	}
	var part cryptobyte.String
	switch {
	case inner.PeekASN1Tag(asn1.SEQUENCE): // PKCS #8: the algorithm, then the key
		var algorithm, oid cryptobyte.String
		return inner.ReadASN1(&algorithm, asn1.SEQUENCE) && algorithm.ReadASN1(&oid, asn1.OBJECT_IDENTIFIER) &&
			inner.ReadASN1(&part, asn1.OCTET_STRING) && len(part) > 0
	case inner.PeekASN1Tag(asn1.OCTET_STRING): // SEC 1
		return inner.ReadASN1(&part, asn1.OCTET_STRING) && len(part) >= 16
	}
	for range 6 { // PKCS #1: n, e, d, p, q, d mod p-1
		if !inner.ReadASN1(&part, asn1.INTEGER) || len(part) == 0 {
			return false
		}
	}
	return true
}

func public(der []byte) crypto.PublicKey {
	if len(der) > maxParsed {
		return nil
	}
	type hasPublic interface{ Public() crypto.PublicKey }
	if key, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		if k, ok := key.(hasPublic); ok {
			return k.Public()
		}
		return nil
	}
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key.Public()
	}
	if key, err := x509.ParseECPrivateKey(der); err == nil {
		return key.Public()
	}
	return nil
}
