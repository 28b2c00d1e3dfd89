//go:build cgo

package pkcs11

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/asn1"
	"errors"
	"math/big"
	"testing"

	"officiant/bundle/limittest"
	"officiant/signer"
)

func TestParseEC(t *testing.T) {
	for a, c := range curves {
		k, err := ecdsa.GenerateKey(c.curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		oid, err := asn1.Marshal(map[signer.Algorithm]asn1.ObjectIdentifier{
			signer.ECDSAP256: {1, 2, 840, 10045, 3, 1, 7}, signer.ECDSAP384: {1, 3, 132, 0, 34}, signer.ECDSAP521: {1, 3, 132, 0, 35},
		}[a])
		if err != nil || !bytes.Equal(oid, c.oid) {
			t.Errorf("%s: OID %x, want %x", a, c.oid, oid)
		}
		bare, err := k.PublicKey.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		wrapped, err := asn1.Marshal(bare)
		if err != nil {
			t.Fatal(err)
		}
		for _, point := range [][]byte{bare, wrapped} {
			if pub, err := parseEC(c.oid, point); err != nil || !pub.Equal(&k.PublicKey) {
				t.Errorf("%s: %v", a, err)
			}
		}
		off := bytes.Clone(bare)
		off[len(off)-1] ^= 1
		for name, point := range map[string][]byte{"nothing": nil, "infinity": {0}, "off the curve": off, "short": bare[:len(bare)-1], "compressed": append([]byte{2}, bare[1:1+len(bare)/2]...)} {
			if _, err := parseEC(c.oid, point); err == nil {
				t.Errorf("%s: %s is a point", a, name)
			}
		}
	}
	if _, err := parseEC([]byte{0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x0a}, nil); !errors.Is(err, signer.ErrUnsupported) {
		t.Errorf("secp256k1: %v", err)
	}
}

func FuzzParseEC(f *testing.F) {
	f.Add(curves[signer.ECDSAP256].oid, []byte{4, 3, 4, 1, 1})
	f.Add(curves[signer.ECDSAP521].oid, []byte{4, 0x81, 0x85, 4})
	f.Fuzz(func(t *testing.T, oid, point []byte) {
		defer limittest.Budget(t)()
		if pub, err := parseEC(oid, point); err == nil {
			if _, err := signer.AlgorithmOf(pub); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestParseRSA(t *testing.T) {
	n := new(big.Int).Lsh(big.NewInt(1), 2047)
	n.SetBit(n, 0, 1)
	if pub, err := parseRSA(append([]byte{0}, n.Bytes()...), []byte{0, 1, 0, 1}); err != nil || pub.E != 65537 || pub.Size() != 256 {
		t.Errorf("%v, %v", pub, err)
	}
	even := new(big.Int).SetBit(n, 0, 0).Bytes()
	n.SetBit(n, 0, 1)
	for name, c := range map[string][2][]byte{
		"nothing":        {nil, nil},
		"no exponent":    {n.Bytes(), nil},
		"even exponent":  {n.Bytes(), {4}},
		"exponent 1":     {n.Bytes(), {1}},
		"huge exponent":  {n.Bytes(), bytes.Repeat([]byte{0xff}, 9)},
		"short modulus":  {n.Bytes()[128:], {1, 0, 1}},
		"even modulus":   {even, {1, 0, 1}},
		"swapped values": {{1, 0, 1}, n.Bytes()},
	} {
		if _, err := parseRSA(c[0], c[1]); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestEncodeECDSA(t *testing.T) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256([]byte("x"))
	for range 64 { // among them some with leading zeros and high bits
		r, s, err := ecdsa.Sign(rand.Reader, k, digest[:])
		if err != nil {
			t.Fatal(err)
		}
		der, err := encodeECDSA(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...), 32)
		if err != nil || !ecdsa.VerifyASN1(&k.PublicKey, digest[:], der) {
			t.Fatalf("%v, or it does not verify", err)
		}
	}
	for name, raw := range map[string][]byte{"nothing": nil, "short": make([]byte, 63), "long": make([]byte, 65), "zeros": make([]byte, 64),
		"half zeros": append(make([]byte, 32), bytes.Repeat([]byte{1}, 32)...)} {
		if _, err := encodeECDSA(raw, 32); err == nil {
			t.Errorf("%s: a signature", name)
		}
	}
}
