package attestation

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"maps"
	"math/big"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"officiant/signer/attestation/roots"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func words(certs ...*x509.Certificate) string {
	var out []string
	for _, c := range certs {
		out = append(out, base64.StdEncoding.EncodeToString(c.Raw))
	}
	return strings.Join(out, " ")
}

// certs reads the certificates of a file.
func certs(t testing.TB, file string) []*x509.Certificate {
	t.Helper()
	return must(ParseRoots(must(os.ReadFile(file))))
}

// yubikey is what is on record of a real YubiKey's attestation.
func yubikey(t testing.TB) (map[string]string, []byte) {
	chain := certs(t, "../../signer/attestation/testdata/yubikey-5.4.3.pem")
	for _, c := range must(ParseRoots(roots.Yubico)) {
		if signedBy(chain[1], c) {
			chain = append(chain, c)
		}
	}
	return map[string]string{"attestation.format": "yubikey-piv", "attestation.result": "verified",
		"attestation.certificates": words(chain...), "attestation.roots": sum(chain[2]),
		"attestation.firmware": "5.4.3",
		"attestation.serial":   "15732500", "attestation.pin-policy": "once", "attestation.touch-policy": "never",
	}, chain[0].RawSubjectPublicKeyInfo
}

// google is what is on record of a real attestation by Cloud HSM, and the key it is about.
func google(t testing.TB) (map[string]string, []byte) {
	content := must(os.ReadFile("../../signer/gcpkms/testdata/attestation/ec.dat"))
	c := certs(t, "../../signer/gcpkms/testdata/attestation/ec.certs")
	sha := sha256.Sum256(content)
	said := map[string]string{"attestation.format": cavium2, "attestation.result": "verified",
		"attestation.content":     base64.StdEncoding.EncodeToString(content),
		"attestation.sha256":      hex.EncodeToString(sha[:]),
		"attestation.caviumCerts": words(c[2], c[1]), "attestation.googleCardCerts": words(c[4]),
		"attestation.googlePartitionCerts": words(c[5])}
	data := must(unpacked(said))
	at := slices.Index(data[:len(data)-signatureSize], 4) // where the point is looked for
	for ; ; at++ {
		if pub, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), data[at:at+65]); err == nil {
			return said, must(x509.MarshalPKIXPublicKey(pub))
		}
	}
}

func with(said map[string]string, name, value string) map[string]string {
	out := maps.Clone(said)
	out["attestation."+name] = value
	return out
}

func otherKey(t testing.TB) []byte {
	return must(x509.MarshalPKIXPublicKey(must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)).Public()))
}

// TestReal: attestations of a real YubiKey and a real HSM of Google's verify again.
func TestReal(t *testing.T) {
	said, spki := yubikey(t)
	if upTo, err := Verify("pkcs11", said, spki, nil); err != nil || !strings.Contains(upTo,
		"Yubico PIV Root CA Serial 263751") {
		t.Errorf("YubiKey: %q, %v", upTo, err)
	}
	said, spki = google(t)
	if upTo, err := Verify("gcpkms", said, spki, nil); err != nil || !strings.Contains(upTo, "Hawksbill Root v1 prod") {
		t.Errorf("Google: %q, %v", upTo, err)
	}
}

// TestRefused: junk, another key's, a changed one, and what is said beside it.
func TestRefused(t *testing.T) {
	yk, ykKey := yubikey(t)
	gc, gcKey := google(t)
	chain := strings.Fields(yk["attestation.certificates"])
	other := certs(t, "../../signer/attestation/testdata/yubikey-4.3.7.pem")
	flip := func(name string, said map[string]string) string {
		b := []byte(said["attestation."+name])
		b[len(b)/2] ^= 1
		return string(b)
	}
	for what, c := range map[string]struct {
		backend string
		said    map[string]string
		key     []byte
		says    string
	}{
		"of AWS":              {"awskms", yk, ykKey, "a key in awskms has none"},
		"not verified then":   {"pkcs11", with(yk, "result", "bad"), ykKey, `the result was "bad"`},
		"Google's on a token": {"pkcs11", gc, gcKey, "its format is"},
		"no format":           {"pkcs11", with(yk, "format", ""), ykKey, "its format is"},
		"another key":         {"pkcs11", yk, otherKey(t), "about another key"},
		"junk": {"pkcs11", with(yk, "certificates", "AAAA AAAA AAAA"), ykKey,
			"attestation.certificates: "},
		"no base64":    {"pkcs11", with(yk, "certificates", "?"), ykKey, "attestation.certificates: "},
		"two of three": {"pkcs11", with(yk, "certificates", strings.Join(chain[:2], " ")), ykKey, "there are 2"},
		"another YubiKey's": {"pkcs11", with(yk, "certificates", chain[0]+" "+words(other[1])+" "+chain[2]), ykKey,
			"certificate 1 is not signed by the next"},
		"another root": {"pkcs11", with(yk, "certificates", strings.Join(chain[:2], " ")+" "+words(other[1])),
			ykKey, "certificate 2 is not"},
		"sum of another": {"pkcs11", with(yk, "roots", strings.Repeat("ab", 32)), ykKey, "is not the sum"},
		"another firmware": {"pkcs11", with(yk, "firmware", "5.7.0"), ykKey, `firmware is "5.7.0", ` +
			`and the certificate says "5.4.3"`},
		"another policy":     {"pkcs11", with(yk, "pin-policy", "always"), ykKey, "pin-policy is"},
		"another serial":     {"pkcs11", with(yk, "serial", "1"), ykKey, "serial is"},
		"as a YubiHSM's":     {"pkcs11", with(yk, "format", "yubihsm2"), ykKey, "there are 3, and 4"},
		"another Google key": {"gcpkms", gc, otherKey(t), "about another key"},
		"three bytes":        {"gcpkms", with(gc, "content", "AAAA"), gcKey, "attestation.sha256 is of something else"},
		"three and their sum": {"gcpkms", with(with(gc, "content", "AAAA"), "sha256",
			"709e80c88487a2411e1ee4dfb9f22a861492d20c4765150c0c794abd70f8147c"), gcKey, "attestation.content: "},
		"changed content": {"gcpkms", with(gc, "content", flip("content", gc)), gcKey, "attestation.content: "},
		"no card":         {"gcpkms", with(gc, "caviumCerts", "absent"), gcKey, "attestation.caviumCerts: "},
		"partition alone": {"gcpkms", with(gc, "caviumCerts", strings.Fields(gc["attestation.caviumCerts"])[0]),
			gcKey, "no card of the maker's"},
		"no partition": {"gcpkms", with(gc, "googlePartitionCerts", gc["attestation.googleCardCerts"]), gcKey,
			"none of Google's"},
		"the card alone": {"gcpkms", with(gc, "caviumCerts", strings.Fields(gc["attestation.caviumCerts"])[1]),
			gcKey, "by none of the maker's"},
		"the other format": {"gcpkms", with(gc, "format", cavium1), gcKey, "attestation.content: "},
	} {
		upTo, err := Verify(c.backend, c.said, c.key, nil)
		if err == nil || errors.Is(err, ErrNoRoot) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %q, %v", what, upTo, err)
		}
	}
}

// issue makes a certificate of pub; nil by signs with its own key.
func issue(name string, pub crypto.PublicKey, by *x509.Certificate, key *ecdsa.PrivateKey, isCA bool, depth int,
	ext ...pkix.Extension) *x509.Certificate {
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotAfter: time.Unix(1<<32, 0), IsCA: isCA, BasicConstraintsValid: isCA, MaxPathLen: depth,
		MaxPathLenZero:  depth == 0,
		ExtraExtensions: ext}
	if by == nil {
		by = template
	}
	return must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, template, by, pub, key))))
}

// TestYubiHSM: a YubiHSM's chain, made by a CA of the same structure: it holds up to a root that
// is given, is not checked without it, and is refused with each thing that must not be.
func TestYubiHSM(t *testing.T) {
	keys := make([]*ecdsa.PrivateKey, 4)
	for i := range keys {
		keys[i] = must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	}
	root := issue("Root", keys[3].Public(), nil, keys[3], true, -1)
	batch := issue("Sub-CA", keys[2].Public(), root, keys[3], true, 1)
	device := issue("YubiHSM Attestation (17)", keys[1].Public(), batch, keys[2], true, 0)
	der := func(v any) []byte { return must(asn1.Marshal(v)) }
	says := func(serial int, origin, fifth byte) []pkix.Extension {
		var out []pkix.Extension
		for last, value := range map[int][]byte{1: der([]byte{2, 4, 0}), 2: der(serial),
			3: der(asn1.BitString{Bytes: []byte{origin}, BitLength: 8}),
			5: der(asn1.BitString{Bytes: []byte{0, 0, 0, 0, 0, fifth, 0, 0x80}, BitLength: 64}), 6: der(7)} {
			out = append(out, pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 41482, 4, last}, Value: value})
		}
		return out
	}
	said := func(leaf *x509.Certificate, rest ...*x509.Certificate) map[string]string {
		all := append([]*x509.Certificate{leaf}, rest...)
		return map[string]string{"attestation.format": "yubihsm2", "attestation.result": "verified",
			"attestation.certificates": words(all...), "attestation.roots": sum(all[len(all)-1]),
			"attestation.firmware": "2.4.0", "attestation.serial": "17", "attestation.origin": "0x01",
			"attestation.capabilities": "0x0000000000000080", "attestation.id": "0x0007"}
	}
	leaf := func(ext []pkix.Extension) *x509.Certificate {
		return issue("YubiHSM Attestation id:0x0007", keys[0].Public(), device, keys[1], false, 0, ext...)
	}
	spki := leaf(nil).RawSubjectPublicKeyInfo
	given := []*x509.Certificate{root}
	if _, err := Verify("pkcs11", said(leaf(says(17, 1, 0)), device, batch, root), spki, given); err != nil {
		t.Error(err)
	}
	if _, err := Verify("pkcs11", said(leaf(says(17, 1, 0)), device, batch, root), spki, nil); !errors.Is(err,
		ErrNoRoot) {
		t.Error(err)
	}
	wide := issue("YubiHSM Attestation (17)", keys[1].Public(), batch, keys[2], true, 1)
	for want, s := range map[string]map[string]string{
		"origin is 0x02":            said(leaf(says(17, 2, 0)), device, batch, root),
		"leave under a wrap key":    said(leaf(says(17, 1, 1)), device, batch, root),
		"of serial 18":              said(leaf(says(18, 1, 0)), device, batch, root),
		"no YubiHSM's word":         said(leaf(nil), device, batch, root),
		"a device's and two":        said(leaf(says(17, 1, 0)), wide, batch, root),
		"2 is not signed by the ne": said(leaf(says(17, 1, 0)), device, root, root),
	} {
		if _, err := Verify("pkcs11", s, spki, given); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
}

// TestParseRoots: what is no list of certificates is refused.
func TestParseRoots(t *testing.T) {
	one := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certs(t,
		"../../signer/attestation/testdata/yubikey-5.4.3.pem")[0].Raw})
	for want, text := range map[string][]byte{
		"no certificate in PEM": []byte("junk"),
		"certificates alone":    append(slices.Clone(one), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY"})...),
		"more than 32":          slices.Repeat(one, 33),
		"certificate 1 in it":   pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte{1}}),
	} {
		if _, err := ParseRoots(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
}
