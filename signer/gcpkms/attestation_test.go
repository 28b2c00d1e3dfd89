package gcpkms

import (
	"bytes"
	"compress/gzip"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"io"
	"maps"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cloud.google.com/go/kms/apiv1/kmspb"

	"officiant/bundle/limittest"
	"officiant/signer/gcpkms/gcpkmstest"
)

const (
	v1 = kmspb.KeyOperationAttestation_CAVIUM_V1_COMPRESSED
	v2 = kmspb.KeyOperationAttestation_CAVIUM_V2_COMPRESSED
)

// realOne is an attestation of testdata, with its chains as the API gives them.
func realOne(t testing.TB, name string) *kmspb.KeyOperationAttestation {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", "attestation", name+".dat"))
	if err != nil {
		t.Fatal(err)
	}
	rest, err := os.ReadFile(filepath.Join("testdata", "attestation", name+".certs"))
	if err != nil {
		t.Fatal(err)
	}
	var certs []string
	for block, rest := pem.Decode(rest); block != nil; block, rest = pem.Decode(rest) {
		certs = append(certs, string(pem.EncodeToMemory(block)))
	}
	if len(certs) != 6 {
		t.Fatalf("%s: %d certificates", name, len(certs))
	}
	return &kmspb.KeyOperationAttestation{Format: v2, Content: content, CertChains: &kmspb.KeyOperationAttestation_CertificateChains{
		CaviumCerts: []string{certs[2], certs[1]}, GoogleCardCerts: certs[4:5], GooglePartitionCerts: certs[5:],
	}}
}

func builtInRoots(t testing.TB) anchors {
	t.Helper()
	roots, err := address{}.anchorsOf()
	if err != nil {
		t.Fatal(err)
	}
	return roots
}

func fakeRoots(t testing.TB) anchors {
	t.Helper()
	roots, err := parseAnchors(gcpkmstest.Roots())
	if err != nil {
		t.Fatal(err)
	}
	return roots
}

// realKey is the public key that a real statement is about.
func realKey(t testing.TB, name string, s *statement) crypto.PublicKey {
	t.Helper()
	if name == "rsa" {
		return &rsa.PublicKey{N: new(big.Int).SetBytes(s.private[attrModulus]), E: 65537}
	}
	pub, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), s.private[attrModulus])
	if err != nil {
		t.Fatal(err)
	}
	return pub
}

// TestRealAttestations: what HSMs of Google made is read, and leads to the
// built-in roots; and nobody else's key, and nothing that was changed, does.
func TestRealAttestations(t *testing.T) {
	roots := builtInRoots(t)
	for _, name := range []string{"ec", "rsa"} {
		a := realOne(t, name)
		s, err := parseStatement(a)
		if err != nil {
			t.Fatal(err)
		}
		pub := realKey(t, name, s)
		// The maker's own check value of the key: a second opinion.
		spki, err := x509.MarshalPKIXPublicKey(pub)
		if err != nil {
			t.Fatal(err)
		}
		if sum := sha256.Sum256(spki); !bytes.Equal(sum[:], s.private[0x1003]) {
			t.Errorf("%s: the public key is %x, its check value 0x1003 is %x", name, sum, s.private[0x1003])
		}
		v := &kmspb.CryptoKeyVersion{Attestation: a}
		out := map[string]string{}
		if err := attest(v, pub, roots, out); err != nil || out["attestation.result"] != "verified" || out["attestation.CKA_EXTRACTABLE"] != "0x00" {
			t.Errorf("%s: %v, %v", name, err, out)
		}
		refuses(t, attest(v, pub, fakeRoots(t), out), errNoAnchor, "Cavium")
		refuses(t, attest(v, anyKey(t), roots, out), nil, "about another key")
		c, err := parseChains(a.GetCertChains())
		if err != nil {
			t.Fatal(err)
		}
		changed := *s
		changed.signed = bytes.Clone(s.signed)
		changed.signed[len(changed.signed)-1] ^= 1
		refuses(t, c.verify(&changed, roots), nil, "signature is by none of the maker's")
	}
}

func anyKey(t testing.TB) *ecdsa.PublicKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &k.PublicKey
}

// TestStatements: the fake's statements are read as the real ones, in both
// formats and for each kind of key, and any attribute that speaks against the
// key is a refusal; absent is not false.
func TestStatements(t *testing.T) {
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	other := anyKey(t)
	point, err := other.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	type edit func(public, private gcpkmstest.Object)
	for _, pub := range []crypto.PublicKey{p384.Public(), rsaKey.Public()} {
		for _, c := range []struct {
			name string
			edit edit
			says string // "": it binds
		}{
			{"as made", nil, ""},
			{"extractable", func(_, o gcpkmstest.Object) { o[attrExtractable] = []byte{1} }, "CKA_EXTRACTABLE (0x0162) of the private key is 0x01, not 0x00"},
			{"extractable is absent", func(_, o gcpkmstest.Object) { delete(o, attrExtractable) }, "is absent, not 0x00"},
			{"extractable of no length", func(_, o gcpkmstest.Object) { o[attrExtractable] = nil }, "CKA_EXTRACTABLE"},
			{"extractable of two bytes", func(_, o gcpkmstest.Object) { o[attrExtractable] = []byte{0, 0} }, "is 0x0000, not 0x00"},
			{"not local", func(_, o gcpkmstest.Object) { o[attrLocal] = []byte{0} }, "CKA_LOCAL (0x0163) of the private key is 0x00, not 0x01"},
			{"local is absent", func(_, o gcpkmstest.Object) { delete(o, attrLocal) }, "CKA_LOCAL"},
			{"local is 2", func(_, o gcpkmstest.Object) { o[attrLocal] = []byte{2} }, "CKA_LOCAL"},
			{"not sensitive", func(_, o gcpkmstest.Object) { o[attrSensitive] = []byte{0} }, "CKA_SENSITIVE"},
			{"another private key", func(_, o gcpkmstest.Object) { o[attrModulus] = point }, "private half: it is about another key"},
			{"another public key", func(o, _ gcpkmstest.Object) { o[attrModulus] = point }, "public half: it is about another key"},
			{"no point", func(_, o gcpkmstest.Object) { delete(o, attrModulus) }, "about another key"},
			{"another kind", func(_, o gcpkmstest.Object) { o[attrKeyType] = []byte{0x1f} }, "key type (0x0100) is 0x1f"},
			{"two private keys", func(o, _ gcpkmstest.Object) { o[attrClass] = []byte{3} }, "first key is of class 3"},
			{"two public keys", func(_, o gcpkmstest.Object) { o[attrClass] = []byte{2} }, "second key is of class 2"},
		} {
			for _, format := range []kmspb.KeyOperationAttestation_AttestationFormat{v1, v2} {
				s, err := parseStatement(gcpkmstest.Attest(pub, format, c.edit))
				if err == nil {
					err = s.binds(pub)
				}
				if c.says == "" && err != nil {
					t.Errorf("%s, %s: %v", c.name, format, err)
				} else if c.says != "" {
					refuses(t, err, nil, c.says)
				}
			}
		}
	}
	s, err := parseStatement(gcpkmstest.Attest(rsaKey.Public(), v2, func(_, o gcpkmstest.Object) { o[attrExponent] = []byte{3} }))
	if err == nil {
		err = s.binds(rsaKey.Public())
	}
	refuses(t, err, nil, "public exponent")
}

// good is a statement without its signature, and what it is about.
func good(t testing.TB) ([]byte, *ecdsa.PublicKey) {
	t.Helper()
	pub := anyKey(t)
	s, err := parseStatement(gcpkmstest.Attest(pub, v2, nil))
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Clone(s.signed), pub
}

// TestBadStatements: lengths that lie, and what is cut, long, or something else.
func TestBadStatements(t *testing.T) {
	signed, _ := good(t)
	const buffer, first = 32, 40 // where they begin
	put32 := func(at int, n uint32) func([]byte) []byte {
		return func(b []byte) []byte { binary.BigEndian.PutUint32(b[at:], n); return b }
	}
	put16 := func(at int, n uint16) func([]byte) []byte {
		return func(b []byte) []byte { binary.BigEndian.PutUint16(b[at:], n); return b }
	}
	for _, c := range []struct {
		name string
		edit func([]byte) []byte
		says string
	}{
		{"an error", put32(0, 0xb3), "answered with an error, 0xb3"},
		{"total too long", put32(8, uint32(len(signed)+257)), "it says that it has"},
		{"total too short", put32(8, 0), "it says that it has"},
		{"total of 4 GiB", put32(8, 1<<32-1), "it says that it has"},
		{"buffer too long", put32(12, uint32(len(signed))), "is not in it"},
		{"buffer of 4 GiB", put32(12, 1<<32-1), "is not in it"},
		{"buffer of nothing", put32(12, 0), "is not in it"},
		{"buffer shorter", put32(12, uint32(len(signed)-buffer-1)), ""},
		{"one key", put16(buffer+6, 0), "one key, not a pair"},
		{"first key in the header", put16(buffer+4, 0), "its keys begin at 0"},
		{"first key after the second", put16(buffer+4, 1<<16-1), "its keys begin at"},
		{"second key beyond the end", put16(buffer+6, 1<<16-1), "its second begins at"},
		{"second key in the first", put16(buffer+6, 20), "its second begins at 20"},
		{"attributes of 4 GiB", put32(first+8, 1<<32-1), "first key: truncated"},
		{"attributes of nothing", put32(first+8, 0), "first key: truncated: no attribute"},
		{"4 billion attributes", put32(first+4, 1<<32-1), "4294967295 attributes"},
		{"no attributes", put32(first+4, 0), "left over"},
		{"one attribute more", func(b []byte) []byte { b[first+7]++; return b }, "truncated: no attribute"},
		{"one attribute fewer", func(b []byte) []byte { b[first+7]--; return b }, "left over"},
		{"attribute of 4 GiB", put32(first+12+4, 1<<32-1), "attribute 0x0000 of 4294967295 bytes"},
		{"an attribute twice", put32(first+12+9, 0), "stands there twice"},
		{"nothing", func([]byte) []byte { return nil }, "truncated: no header"},
		{"a header", func(b []byte) []byte { return b[:15] }, "truncated: no header"},
		{"bytes after the second key", func(b []byte) []byte {
			b = append(b, 0)
			return put32(12, binary.BigEndian.Uint32(b[12:])+1)(put32(8, uint32(len(b)+256))(b))
		}, "its second key ends at "},
		{"zeros", func(b []byte) []byte { return make([]byte, len(b)) }, "it says that it has"},
	} {
		_, err := parseStatement(gcpkmstest.Sign(c.edit(bytes.Clone(signed)), v2))
		refuses(t, err, nil, c.says)
	}
	for n := range signed { // cut anywhere, with a total that agrees
		cut := bytes.Clone(signed[:n])
		if n >= 12 {
			binary.BigEndian.PutUint32(cut[8:], uint32(n+256))
		}
		if _, _, err := parseV2(cut); err == nil {
			t.Errorf("cut after %d bytes: taken", n)
		}
	}
	old := gcpkmstest.Encode(v1, gcpkmstest.Object{attrClass: {2}}, gcpkmstest.Object{attrClass: {3}})
	if _, _, err := parseV1(old); err != nil {
		t.Fatal(err)
	}
	for n := range old {
		if _, _, err := parseV1(old[:n]); err == nil {
			t.Errorf("the older format, cut after %d bytes: taken", n)
		}
	}
	_, _, err := parseV1(put32(headerV1+8, 1<<32-1)(bytes.Clone(old)))
	refuses(t, err, nil, "is not in it")
}

// TestBadPacking: what comes compressed is bounded before it is unpacked.
func TestBadPacking(t *testing.T) {
	a := gcpkmstest.Attest(anyKey(t), v2, nil)
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	if _, err := io.CopyN(z, zeros{}, 32<<20); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		content []byte
		format  kmspb.KeyOperationAttestation_AttestationFormat
		says    string
	}{
		"no format":     {a.Content, 0, "its format is ATTESTATION_FORMAT_UNSPECIFIED"},
		"a new format":  {a.Content, 99, "its format is 99"},
		"nothing":       {nil, v2, "not gzip"},
		"no gzip":       {[]byte("a statement"), v2, "not gzip"},
		"a flipped bit": {flipped(a.Content, len(a.Content)-5), v2, "not gzip"},
		"half":          {a.Content[:len(a.Content)/2], v2, "not gzip"},
		"too long":      {make([]byte, maxCompressed+1), v2, "more than 65536 bytes"},
		"a bomb":        {bomb.Bytes(), v2, "unpacked it has more than"},
		"more after it": {append(bytes.Clone(a.Content), 0), v2, "1 bytes follow it"},
		"two of them":   {append(bytes.Clone(a.Content), a.Content...), v2, "bytes follow it"},
		"too short":     {gcpkmstest.Pack(make([]byte, 255), v2).Content, v2, "too few for a signature"},
	} {
		_, err := parseStatement(&kmspb.KeyOperationAttestation{Format: c.format, Content: c.content})
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
	}
}

func flipped(b []byte, at int) []byte {
	b = bytes.Clone(b)
	b[at] ^= 1
	return b
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// FuzzStatement: no statement makes the parser fail but by an error, and what
// it takes can be written again.
func FuzzStatement(f *testing.F) {
	signed, _ := good(f)
	f.Add(signed, false)
	f.Add(gcpkmstest.Encode(v1, gcpkmstest.Object{attrClass: {2}}, gcpkmstest.Object{attrClass: {3}, attrLocal: {1}}), true)
	for _, name := range []string{"ec", "rsa"} {
		data, err := unpack(realOne(f, name).Content)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data[:len(data)-signatureSize], false)
	}
	f.Fuzz(func(t *testing.T, signed []byte, old bool) {
		defer limittest.Budget(t)()
		parse := parseV2
		if old {
			parse = parseV1
		}
		public, private, err := parse(signed)
		if err != nil {
			return
		}
		size := 2 * objectHeader
		for _, o := range []object{public, private} {
			for kind := range maps.Keys(o) {
				size += 8 + len(o[kind])
			}
		}
		if size > len(signed) || public.number(attrClass) != classPublic || private.number(attrClass) != classPrivate {
			t.Errorf("%d bytes out of %d: %v, %v", size, len(signed), public, private)
		}
	})
}

// FuzzUnpack: nothing is unpacked beyond the bound.
func FuzzUnpack(f *testing.F) {
	f.Add(realOne(f, "ec").Content)
	f.Add([]byte("\x1f\x8b\x08"))
	f.Fuzz(func(t *testing.T, content []byte) {
		defer limittest.Budget(t)()
		if data, err := unpack(content); err == nil && len(data) > maxStatement {
			t.Errorf("%d bytes", len(data))
		}
	})
}
