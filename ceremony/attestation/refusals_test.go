package attestation

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
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"maps"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
)

// TestPIVRefused: a YubiKey's chain by a CA of the same structure holds up to its root, and is
// refused with each thing that must not be in it.
func TestPIVRefused(t *testing.T) {
	keys := make([]*ecdsa.PrivateKey, 3)
	for i := range keys {
		keys[i] = must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	}
	weak := must(rsa.GenerateKey(rand.Reader, 2048))
	root := issue("Root", keys[2].Public(), nil, keys[2], true, -1)
	device := issue("Yubico PIV Attestation", keys[1].Public(), root, keys[2], true, 0)
	says := func(last int, value ...byte) pkix.Extension {
		return pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 41482, 3, last}, Value: value}
	}
	user := issue("A user's", keys[1].Public(), root, keys[2], true, 0, says(8, 2, 1))
	firmware, policy, serial := says(3, 5, 4, 3), says(8, 2, 1), says(7, 2, 1, 17)
	said := func(pub crypto.PublicKey, by *x509.Certificate, ext ...pkix.Extension) (map[string]string, []byte) {
		leaf := issue("YubiKey PIV Attestation 9c", pub, by, keys[1], false, -1, ext...)
		return map[string]string{"attestation.format": "yubikey-piv", "attestation.result": "verified",
			"attestation.certificates": words(leaf, by, root), "attestation.roots": sum(root),
			"attestation.firmware": "5.4.3", "attestation.serial": "17", "attestation.pin-policy": "once",
			"attestation.touch-policy": "never"}, leaf.RawSubjectPublicKeyInfo
	}
	good, spki := said(keys[0].Public(), device, firmware, policy, serial)
	if upTo, err := Verify("pkcs11", good, spki, []*x509.Certificate{root}); err != nil ||
		upTo != "yubikey-piv, firmware 5.4.3, up to Root" {
		t.Fatal(upTo, err)
	}
	for want, c := range map[string]struct {
		pub crypto.PublicKey
		by  *x509.Certificate
		ext []pkix.Extension
	}{
		"its second certificate is a key's of the YubiKey's user": {keys[0].Public(), user,
			[]pkix.Extension{firmware, policy}},
		"no YubiKey's word: firmware or policies are missing": {keys[0].Public(), device, []pkix.Extension{policy}},
		"its serial does not read": {keys[0].Public(), device,
			[]pkix.Extension{firmware, policy, says(7, 2, 1, 17, 0)}},
		"firmware 4.3.4 made RSA keys that can be computed": {weak.Public(), device,
			[]pkix.Extension{says(3, 4, 3, 4), policy}},
		"firmware 4.2.6 made RSA keys that can be computed": {weak.Public(), device,
			[]pkix.Extension{says(3, 4, 2, 6), policy}},
	} {
		bad, spki := said(c.pub, c.by, c.ext...)
		if _, err := Verify("pkcs11", bad, spki, []*x509.Certificate{root}); err == nil ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
	// One that has an extension twice is no certificate to crypto/x509.
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Unix(1<<32, 0),
		ExtraExtensions: []pkix.Extension{firmware, firmware, policy}}
	twice := must(x509.CreateCertificate(rand.Reader, template, device, keys[0].Public(), keys[1]))
	bad := with(good, "certificates", base64.StdEncoding.EncodeToString(twice)+" "+words(device, root))
	if _, err := Verify("pkcs11", bad, spki, nil); err == nil || !strings.Contains(err.Error(), "duplicate extension") {
		t.Errorf("an extension twice: %v", err)
	}
	for _, chain := range []string{"", strings.Repeat(words(root)+" ", 33)} {
		_, err := Verify("pkcs11", with(good, "certificates", chain), spki, nil)
		if err == nil || !strings.Contains(err.Error(), "attestation.certificates: there are ") {
			t.Errorf("%d bytes of certificates: %v", len(chain), err)
		}
	}
}

// half is one key of a statement of Cloud HSM's, by its attributes' numbers.
type half map[uint32][]byte

// bytes writes a half; what is more than its attributes follows them.
func (h half) bytes(more ...byte) []byte {
	var body cryptobyte.Builder
	for _, kind := range slices.Sorted(maps.Keys(h)) {
		body.AddUint32(kind)
		body.AddUint32(uint32(len(h[kind])))
		body.AddBytes(h[kind])
	}
	body.AddBytes(more)
	data := body.BytesOrPanic()
	var out cryptobyte.Builder
	out.AddUint32(7)
	out.AddUint32(uint32(len(h)))
	out.AddUint32(uint32(len(data)))
	out.AddBytes(data)
	return out.BytesOrPanic()
}

func (h half) with(kind uint32, value byte) half {
	out := maps.Clone(h)
	out[kind] = []byte{value}
	return out
}

// packed is a statement as it stands in the record, with junk after what is packed.
func packed(said map[string]string, data, junk []byte) map[string]string {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	must(z.Write(data))
	if err := z.Close(); err != nil {
		panic(err)
	}
	out.Write(junk)
	sha := sha256.Sum256(out.Bytes())
	return with(with(said, "content", base64.StdEncoding.EncodeToString(out.Bytes())), "sha256",
		hex.EncodeToString(sha[:]))
}

// TestCloudHSMRefused: statements of both formats' structure, by a partition, a card and roots of
// a test, hold, and are refused with each thing that must not be in them.
func TestCloudHSMRefused(t *testing.T) {
	keys := make([]*ecdsa.PrivateKey, 4)
	for i := range keys {
		keys[i] = must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	}
	partition := must(rsa.GenerateKey(rand.Reader, 2048))
	maker := issue("Maker", keys[1].Public(), nil, keys[1], true, -1)
	google := issue("Google", keys[2].Public(), nil, keys[2], true, -1)
	card := issue("Card", keys[3].Public(), maker, keys[1], false, -1)
	said := map[string]string{"attestation.format": cavium1, "attestation.result": "verified",
		"attestation.caviumCerts": words(issue("Partition", partition.Public(), card, keys[3], false, -1), card),
		"attestation.googleCardCerts": words(issue("Card by Google", keys[3].Public(), google, keys[2], false,
			-1)),
		"attestation.googlePartitionCerts": words(issue("Partition by Google", partition.Public(), google, keys[2],
			false, -1))}
	spki := must(x509.MarshalPKIXPublicKey(keys[0].Public()))
	public := half{0: {2}, 0x100: {3}, 0x120: must(keys[0].PublicKey.Bytes())}
	private := public.with(0, 3).with(0x103, 1).with(0x162, 0).with(0x163, 1)
	signed := func(parts ...[]byte) []byte {
		data := slices.Concat(parts...)
		digest := sha256.Sum256(data)
		return append(data, must(rsa.SignPKCS1v15(nil, partition, crypto.SHA256, digest[:]))...)
	}
	header := make([]byte, headerOfV1)
	pair := slices.Concat(public.bytes(), private.bytes())
	// The newer format has a header, and a buffer whose own head says where its keys are.
	newer := func(code, size uint32, first, second uint16) []byte {
		var out cryptobyte.Builder
		out.AddUint32(code)
		out.AddUint32(0)
		out.AddUint32(uint32(16+8+len(pair)) + signatureSize)
		out.AddUint32(size)
		out.AddUint16(1)
		out.AddUint16(0)
		out.AddUint16(first)
		out.AddUint16(second)
		return out.BytesOrPanic()
	}
	whole, offset := uint32(8+len(pair)), uint16(8+len(public.bytes()))
	given := []*x509.Certificate{maker, google}
	ofNewer := with(said, "format", cavium2)
	for what, good := range map[string]map[string]string{
		"V1": packed(said, signed(header, pair), nil),
		"V2": packed(ofNewer, signed(newer(0, whole, 8, offset), pair), nil),
	} {
		if upTo, err := Verify("gcpkms", good, spki, given); err != nil || upTo != "Cloud HSM, up to Maker and Google" {
			t.Fatal(what, upTo, err)
		}
	}
	twice := half{0: {2}}.bytes(append([]byte{0, 0, 0, 0, 0, 0, 0, 1}, 2)...)
	twice[7] = 2 // attributes
	for _, c := range []struct {
		said map[string]string
		says string
	}{
		{packed(said, make([]byte, maxStatement+1), nil), "it unpacks to more than 1 MiB"},
		{packed(said, signed(header, pair), []byte("junk")), "4 bytes follow what is packed"},
		{packed(said, make([]byte, signatureSize), nil), "256 bytes hold no statement and its signature"},
		{packed(said, signed(header[1:]), nil), "it has no header"},
		{packed(said, signed(header, public.bytes()), nil), "a key of it is cut off"},
		{packed(said, signed(header, pair[:len(public.bytes())-1]), nil), "a key of it is cut off"},
		{packed(said, signed(header, private.bytes(), public.bytes()), nil), "a key of class 03 where 2 belongs"},
		{packed(said, signed(header, public.bytes(), public.bytes()), nil), "a key of class 02 where 3 belongs"},
		{packed(said, signed(header, public.bytes(), private.with(0x163, 0).bytes()), nil),
			"attribute 0x0163 of the private key is 0x00, not 0x01"},
		{packed(said, signed(header, public.bytes(), private.with(0x162, 1).bytes()), nil),
			"attribute 0x0162 of the private key is 0x01, not 0x00"},
		{packed(said, signed(header, public.bytes(), private.with(0x103, 0).bytes()), nil),
			"attribute 0x0103 of the private key is 0x00, not 0x01"},
		{packed(said, signed(header, pair, []byte("more")), nil), "4 bytes follow its keys"},
		{packed(said, signed(header, twice, private.bytes()), nil), "attribute 0x0000 stands there twice"},
		{packed(said, signed(header, public.bytes(0), private.bytes()), nil), "bytes follow a key's attributes"},
		{packed(ofNewer, signed(newer(1, whole, 8, offset), pair), nil), "its header does not fit it"},
		{packed(ofNewer, signed(newer(0, whole+1, 8, offset), pair), nil), "its header does not fit it"},
		{packed(ofNewer, signed(newer(0, whole, 7, offset), pair), nil), "its keys are not where it says"},
		{packed(ofNewer, signed(newer(0, whole, 8, 8), pair), nil), "its keys are not where it says"},
	} {
		if _, err := Verify("gcpkms", c.said, spki, given); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q: %v", c.says, err)
		}
	}
	good := packed(said, signed(header, pair), nil)
	byMaker := with(with(good, "googleCardCerts", words(card)), "googlePartitionCerts",
		words(issue("Partition by the maker", partition.Public(), maker, keys[1], false, -1)))
	for _, c := range []struct {
		said  map[string]string
		given []*x509.Certificate
		says  string
	}{
		{good, nil, `the card is by "CN=Maker" and "CN=Google"`},
		{good, given[:1], `the card is by "CN=Maker" and "CN=Google"`},
		{byMaker, given, "maker and Google have one root, so only one of them vouches"},
	} {
		if _, err := Verify("gcpkms", c.said, spki, c.given); !errors.Is(err, ErrNoRoot) ||
			!strings.Contains(err.Error(), c.says) {
			t.Errorf("%q: %v", c.says, err)
		}
	}
}
