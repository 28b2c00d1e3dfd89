//go:build cgo

package pkcs11

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"

	"github.com/miekg/pkcs11"

	"officiant/signer"
)

// curves by algorithm, with the DER of their OIDs (RFC 5480 section 2.1.1.1).
var curves = map[signer.Algorithm]struct {
	curve elliptic.Curve
	oid   []byte
}{
	signer.ECDSAP256: {elliptic.P256(), []byte{0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07}},
	signer.ECDSAP384: {elliptic.P384(), []byte{0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22}},
	signer.ECDSAP521: {elliptic.P521(), []byte{0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23}},
}

// publicOf returns the public half of a private key: the public key object of
// its id, of its id and label where several have the id, or of its label where
// neither has an id and no other private key has the label. Without one it is
// what the private key object tells itself, or a certificate of its id. A signature
// shows whether it is.
func (in objects) publicOf(h pkcs11.SessionHandle, private pkcs11.ObjectHandle, id []byte, label string) (
	crypto.PublicKey, error) {
	half, err := in.halfOf(h, id, label)
	if err != nil {
		return nil, err
	}
	if half != 0 {
		return in.publicFrom(h, private, half)
	}
	if spki, err := in.attribute(h, private, pkcs11.CKA_PUBLIC_KEY_INFO); err != nil {
		return nil, err
	} else if len(spki) > 0 {
		return x509.ParsePKIXPublicKey(spki)
	}
	pub, err := in.publicFrom(h, private, private)
	if err != nil && len(id) == 0 {
		return nil, fmt.Errorf("it has no id by which its public key could be found, no public key without an id is "+
			"called %q, and the private key does not tell it: give both halves one id "+
			"(pkcs11-tool --module %s --token-label %s --login --label %s --type privkey --set-id 01, and again with "+
			"--type pubkey): %w",
			label, in.module, in.label, inShell(label), err)
	}
	if err == nil {
		return pub, nil
	}
	pub, other := in.certified(h, id)
	switch {
	case errors.Is(other, errNoCertificate):
		return nil, fmt.Errorf("no public key object has its id %x, no certificate has it, and the private key "+
			"does not tell its public half: %w", id, err)
	case other != nil:
		return nil, fmt.Errorf("no public key object has its id %x: %w", id, other)
	}
	return pub, nil
}

// halfOf finds the public key object that belongs to a private key; 0 when there
// is none.
func (in objects) halfOf(h pkcs11.SessionHandle, id []byte, label string) (pkcs11.ObjectHandle, error) {
	if len(id) == 0 {
		return in.halfByLabel(h, label)
	}
	halves, err := in.named(h, pkcs11.CKO_PUBLIC_KEY, "", id)
	if err != nil || len(halves) == 0 {
		return 0, err
	}
	if len(halves) == 1 {
		return halves[0], nil
	}
	named, err := in.named(h, pkcs11.CKO_PUBLIC_KEY, label, id)
	if err != nil {
		return 0, err
	}
	pair, err := in.privateKeys(h, label, id)
	if err != nil {
		return 0, err
	}
	if label != "" && len(named) == 1 && len(pair) == 1 {
		return named[0], nil
	}
	return 0, fmt.Errorf("%w: %d public keys have its id %x, and %d of them its label", signer.ErrAmbiguous,
		len(halves), id, len(named))
}

// halfByLabel is the only public key object of a label without an id, when only
// one private key has that label.
func (in objects) halfByLabel(h pkcs11.SessionHandle, label string) (pkcs11.ObjectHandle, error) {
	if label == "" {
		return 0, nil
	}
	private, err := in.privateKeys(h, label, nil)
	if err != nil || len(private) != 1 {
		return 0, err
	}
	halves, err := in.named(h, pkcs11.CKO_PUBLIC_KEY, label, nil)
	if err != nil || len(halves) != 1 {
		return 0, err
	}
	id, err := in.attribute(h, halves[0], pkcs11.CKA_ID)
	if err != nil || len(id) > 0 {
		return 0, err
	}
	return halves[0], nil
}

// publicFrom reads the public key out of object, which is either half.
func (in objects) publicFrom(h pkcs11.SessionHandle, private, object pkcs11.ObjectHandle) (crypto.PublicKey, error) {
	kind, err := in.attribute(h, private, pkcs11.CKA_KEY_TYPE)
	if err != nil {
		return nil, err
	}
	if other, err := in.attribute(h, object, pkcs11.CKA_KEY_TYPE); err != nil || !bytes.Equal(kind, other) {
		return nil, errors.Join(errors.New("private and public key are of different types"), err)
	}
	read := func(codes ...uint) ([][]byte, error) {
		var values [][]byte
		for _, code := range codes {
			v, err := in.attribute(h, object, code)
			if err != nil {
				return nil, err
			}
			values = append(values, v)
		}
		return values, nil
	}
	n, _ := number(kind)
	switch n {
	case pkcs11.CKK_RSA:
		v, err := read(pkcs11.CKA_MODULUS, pkcs11.CKA_PUBLIC_EXPONENT)
		if err != nil {
			return nil, err
		}
		return parseRSA(v[0], v[1])
	case pkcs11.CKK_EC:
		v, err := read(pkcs11.CKA_EC_PARAMS, pkcs11.CKA_EC_POINT)
		if err != nil {
			return nil, err
		}
		if len(v[1]) == 0 {
			return nil, fmt.Errorf("%w: the object has no CKA_EC_POINT", signer.ErrUnsupported)
		}
		return parseEC(v[0], v[1])
	}
	return nil, fmt.Errorf("%w: keys of type %s", signer.ErrUnsupported, kindName(n))
}

// kindName names a type of keys that Officiant does not sign with.
func kindName(kind uint) string {
	names := map[uint]string{
		pkcs11.CKK_DSA: "DSA", pkcs11.CKK_DH: "DH", pkcs11.CKK_AES: "AES", pkcs11.CKK_GENERIC_SECRET: "generic secret",
		0x40: "CKK_EC_EDWARDS (Ed25519, Ed448)", 0x41: "CKK_EC_MONTGOMERY (X25519, X448)", // PKCS #11 v3.0
	}
	if name, ok := names[kind]; ok {
		return name
	}
	return fmt.Sprintf("0x%X", kind)
}

// parseRSA takes big-endian numbers.
func parseRSA(modulus, exponent []byte) (*rsa.PublicKey, error) {
	n, e := new(big.Int).SetBytes(modulus), new(big.Int).SetBytes(exponent)
	if n.BitLen() < 2048 || n.Bit(0) == 0 {
		return nil, fmt.Errorf("RSA modulus of %d bits, or even", n.BitLen())
	}
	if !e.IsInt64() || e.Int64() < 3 || e.Int64() > 1<<31-1 || e.Bit(0) == 0 {
		return nil, errors.New("RSA exponent is not a small odd number")
	}
	return &rsa.PublicKey{N: n, E: int(e.Int64())}, nil
}

// parseEC takes a curve's OID and a point, which by PKCS #11 v2.40 is a DER
// OCTET STRING; some tokens leave that off, as versions before 2.20 did.
func parseEC(params, point []byte) (*ecdsa.PublicKey, error) {
	for _, c := range curves {
		if !bytes.Equal(c.oid, params) {
			continue
		}
		var inner []byte
		if rest, err := asn1.Unmarshal(point, &inner); err != nil || len(rest) > 0 {
			inner = point
		}
		pub, err := ecdsa.ParseUncompressedPublicKey(c.curve, inner)
		if err != nil {
			return nil, fmt.Errorf("%w: elliptic curve point: %w", signer.ErrUnsupported, err)
		}
		return pub, nil
	}
	var oid asn1.ObjectIdentifier
	if rest, err := asn1.Unmarshal(params, &oid); err == nil && len(rest) == 0 {
		return nil, fmt.Errorf("%w: elliptic curve %s", signer.ErrUnsupported, oid)
	}
	return nil, fmt.Errorf("%w: elliptic curve with parameters %x", signer.ErrUnsupported, params)
}
