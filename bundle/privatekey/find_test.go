package privatekey_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"testing"

	"officiant/bundle/limittest"
	"officiant/bundle/privatekey"
)

func TestFind(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 4096)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sec1, _ := x509.MarshalECPrivateKey(ec)
	inPKCS8 := func(key any) []byte { der, _ := x509.MarshalPKCS8PrivateKey(key); return der }
	unknown, _ := asn1.Marshal(struct {
		Version   int
		Algorithm pkix.AlgorithmIdentifier
		Key       []byte
	}{0, pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 3}}, make([]byte, 5000)})
	csr, _ := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, ec)
	cert, _ := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1)},
		&x509.Certificate{SerialNumber: big.NewInt(1)}, ec.Public(), ec)
	list, _ := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{Number: big.NewInt(1)},
		&x509.Certificate{KeyUsage: x509.KeyUsageCRLSign, SubjectKeyId: []byte{1}}, ec)
	for name, row := range map[string]struct {
		der    []byte
		public crypto.PublicKey
		keys   int
	}{
		"SEC 1": {sec1, ec.Public(), 1}, "PKCS #8, EC": {inPKCS8(ec), ec.Public(), 1},
		"PKCS #8, RSA": {inPKCS8(rsaKey), rsaKey.Public(), 1},
		"PKCS #1":      {x509.MarshalPKCS1PrivateKey(rsaKey), rsaKey.Public(), 1}, "PKCS #8, Ed25519": {inPKCS8(ed),
			ed.Public(), 1},
		"an unknown algorithm": {unknown, nil, 1}, "CSR": {csr, nil, 0}, "certificate": {cert, nil, 0}, "list": {list,
			nil, 0},
		"cut": {sec1[:len(sec1)-4], nil, 0}, "public": {x509.MarshalPKCS1PublicKey(&rsaKey.PublicKey), nil, 0},
		"nothing": {nil, nil, 0},
	} {
		for _, data := range [][]byte{row.der, append([]byte("\x02\x01\x00\x30\x82 some text"), row.der...),
			append(bytes.Clone(row.der), "\x02\x01"...)} {
			found := privatekey.Find(data)
			if len(found) != row.keys {
				t.Errorf("%s: %d keys", name, len(found))
				continue
			}
			if row.public != nil && !row.public.(interface{ Equal(crypto.PublicKey) bool }).Equal(found[0].Public) {
				t.Errorf("%s: another key", name)
			}
		}
		if privatekey.IsDER(row.der) != (row.keys > 0) {
			t.Errorf("%s: IsDER", name)
		}
	}
	if found := privatekey.Find(bytes.Repeat(sec1, 40)); len(found) != 40 || found[15].Public == nil ||
		found[16].Public != nil {
		t.Errorf("%d keys of 40, or more of them read than is bounded", len(found))
	}
}

// nested are sequences in each other, each with all integers of the next as its own.
func nested(n int) []byte {
	const size = 1 << 20
	length := func(x int) []byte { return []byte{0x83, byte(x >> 16), byte(x >> 8), byte(x)} }
	var b []byte
	for i := range n {
		b = append(append(append(b, 0x30), length(min(size, (n-i)*13+64))...), 2, 1, 0, 2)
		b = append(b, length((n-i-1)*13+64)...)
	}
	return append(b, bytes.Repeat([]byte{0x30}, 64)...)
}

// hugePrimes is an RSA key whose primes have half a million bits.
func hugePrimes(t *testing.T) []byte {
	t.Helper()
	p := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 1<<19), big.NewInt(1))
	n := new(big.Int).Mul(p, p)
	der, err := asn1.Marshal(struct {
		V                    int
		N                    *big.Int
		E                    int
		D, P, Q, Dp, Dq, Qin *big.Int
	}{0, n, 65537, n, p, p, p, p, p})
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestWorstShapes(t *testing.T) {
	ec, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	sec1, _ := x509.MarshalECPrivateKey(ec)
	rsaKey, _ := rsa.GenerateKey(rand.Reader, 4096)
	pkcs1 := x509.MarshalPKCS1PrivateKey(rsaKey)
	for name, data := range map[string][]byte{
		"sequences in each other": nested(76_000),
		"huge primes":             hugePrimes(t),
		"integers":                bytes.Repeat([]byte{2, 1, 0}, 350_000),
		"headers":                 bytes.Repeat([]byte{0x30, 0x82, 0xff, 0xf0, 2, 1, 0}, 150_000),
		"shapes in each other": bytes.Repeat([]byte{0x30, 0x82, 0x40, 0, 2, 1, 0, 2, 1, 1, 2, 1, 1, 2, 1, 1, 2, 1,
			1, 2, 1, 1, 2, 0x82, 0xff, 0}, 40_000),
		"small keys": bytes.Repeat(sec1, 1<<20/len(sec1)),
		"large keys": bytes.Repeat(pkcs1, 1<<20/len(pkcs1)),
	} {
		limittest.Hold(t, name, func() { privatekey.Find(data); privatekey.IsDER(data) })
	}
}

func FuzzFind(f *testing.F) {
	f.Add([]byte("\x30\x82\x02\x01\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		defer limittest.Budget(t)()
		if len(privatekey.Find(data)) == 0 && privatekey.IsDER(data) && len(data) > 4 && data[2] == 2 {
			t.Errorf("%x is a key and is not found", data)
		}
	})
}
