package attestation

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"officiant/bundle/limittest"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func real(t testing.TB, name string) []*x509.Certificate {
	t.Helper()
	return must(Parse(must(os.ReadFile("testdata/" + name + ".pem"))))
}

// TestBuiltIn: every intermediate among the built-in ones is signed by another one, and
// the roots by themselves.
func TestBuiltIn(t *testing.T) {
	r := must(BuiltIn())
	if len(r.Certificates) != 7 {
		t.Fatalf("%d certificates", len(r.Certificates))
	}
	for _, c := range r.Certificates {
		if issuer(c, r.Certificates) == nil {
			t.Errorf("%s: signed by none of the others", c.Subject)
		}
	}
}

// TestReal: what real YubiKeys said of their keys, verified up to Yubico's roots.
func TestReal(t *testing.T) {
	for name, want := range map[string]map[string]string{
		"yubikey-5.4.3": {"firmware": "5.4.3", "serial": "15732500", "pin-policy": "once", "touch-policy": "never",
			"form": "0x04"},
		"yubikey-4.3.7": {"firmware": "4.3.7", "pin-policy": "once", "touch-policy": "never"},
	} {
		certs := real(t, name)
		s, err := Verify(certs[0].RawSubjectPublicKeyInfo, certs, must(BuiltIn()))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for claim, value := range want {
			if s.Claims[claim] != value {
				t.Errorf("%s: %s is %q, not %q", name, claim, s.Claims[claim], value)
			}
		}
		a := s.Attributes()
		if a["attestation.result"] != "verified" || len(strings.Fields(a["attestation.certificates"])) != 3 ||
			len(a["attestation.roots"]) != 64 {
			t.Errorf("%s: %v", name, a)
		}
	}
}

// TestRealRefused: the same attestations, each with one thing that must not pass.
func TestRealRefused(t *testing.T) {
	a, b := real(t, "yubikey-5.4.3"), real(t, "yubikey-4.3.7")
	ownRoot := newCA(t, "Yubico PIV Root CA Serial 263751")
	changed := func(of *x509.Certificate, at int) *x509.Certificate {
		der := slices.Clone(of.Raw)
		der[at] ^= 1
		c, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	for what, c := range map[string]struct {
		certs []*x509.Certificate
		of    *x509.Certificate
		roots Roots
		says  string
		is    error
	}{
		"another key":            {a, b[0], must(BuiltIn()), "", ErrNone},
		"another YubiKey":        {[]*x509.Certificate{a[0], b[1]}, a[0], must(BuiltIn()), "slot f9", nil},
		"a test root":            {a, a[0], Roots{Certificates: ownRoot.certs()}, "Yubico PIV Root CA", ErrNoRoot},
		"no root":                {a, a[0], Roots{}, "", ErrNoRoot},
		"the other maker's root": {a, a[0], Roots{Certificates: b[1:]}, "", ErrNoRoot},
		"a changed signature": {[]*x509.Certificate{changed(a[0], len(a[0].Raw)-1), a[1]}, a[0], must(BuiltIn()),
			"slot f9", nil},
		"a changed device": {[]*x509.Certificate{a[0], changed(a[1], len(a[1].Raw)-1)}, a[0], must(BuiltIn()), "",
			ErrNoRoot},
		"no certificate": {nil, a[0], must(BuiltIn()), "", ErrNone},
	} {
		s, err := Verify(c.of.RawSubjectPublicKeyInfo, c.certs, c.roots)
		if s != nil || err == nil || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, %v", what, s, err)
		}
	}
}

// ca is a certificate and its key.
type ca struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func (c *ca) certs() []*x509.Certificate { return []*x509.Certificate{c.cert} }

func newCA(t testing.TB, name string) *ca { return (*ca)(nil).issue(t, name, true, -1, nil) }

// issue makes a certificate of a new P-256 key; a nil receiver signs with that key itself.
func (by *ca) issue(t testing.TB, name string, isCA bool, depth int, extensions []pkix.Extension) *ca {
	t.Helper()
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<32, 0), IsCA: isCA, BasicConstraintsValid: isCA,
		MaxPathLen: depth, MaxPathLenZero: depth == 0, ExtraExtensions: extensions}
	parent, signer := template, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	return &ca{must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, template, parent, key.Public(),
		signer)))), key}
}

func der(v any) []byte { return must(asn1.Marshal(v)) }

func bits(b ...byte) []byte { return der(asn1.BitString{Bytes: b, BitLength: 8 * len(b)}) }

// hsmSays are the extensions of a YubiHSM, as real ones encode them.
func hsmSays(serial int, origin byte, capabilities ...byte) []pkix.Extension {
	var out []pkix.Extension
	for last, value := range map[int][]byte{hsmFirmware: der([]byte{2, 4, 0}), hsmSerial: der(serial),
		hsmOrigin:  bits(origin),
		hsmDomains: bits(0, 1), hsmCapabilities: bits(capabilities...), hsmID: der(0x7e57), 9: {0x0c, 1, 'r'}} {
		out = append(out, pkix.Extension{Id: append(slices.Clone(hsmArc), last), Value: value})
	}
	return out
}

// TestYubiHSM: an attestation with the structure of the maker's, and what is refused.
func TestYubiHSM(t *testing.T) {
	root := newCA(t, "Yubico YubiHSM Root CA")
	batch := root.issue(t, "Yubico YubiHSM 6742036 Sub-CA", true, 1, nil)
	device := batch.issue(t, "YubiHSM Attestation (31650425)", true, 0, nil)
	signOnly := []byte{0, 0, 0, 0, 0, 0, 0, 0x80}
	good := device.issue(t, "YubiHSM Attestation id:0x7e57", false, 0, hsmSays(31650425, 1, signOnly...))
	all := []*x509.Certificate{good.cert, device.cert, batch.cert, root.cert}
	trusted := Roots{Certificates: root.certs()}
	s, err := Verify(good.cert.RawSubjectPublicKeyInfo, all, trusted)
	if err != nil || s.Claims["serial"] != "31650425" || s.Claims["firmware"] != "2.4.0" || len(s.Chain) != 4 ||
		s.Claims["capabilities"] != "0x0000000000000080" {
		t.Fatalf("%v, %v", s, err)
	}
	user := device.issue(t, "YubiHSM Attestation id:0x0001", false, 0, hsmSays(31650425, 1, signOnly...))
	of := func(by *ca, says []pkix.Extension) []*x509.Certificate {
		return append(by.issue(t, "YubiHSM Attestation id:0x7e57", false, 0, says).certs(), append(all[1:],
			user.cert)...)
	}
	long := batch.issue(t, "YubiHSM Attestation (31650425)", true, 1, nil)
	for what, c := range map[string]struct {
		certs []*x509.Certificate
		roots Roots
		says  string
	}{
		"imported":            {of(device, hsmSays(31650425, 2, signOnly...)), trusted, "origin is 0x02"},
		"made, then restored": {of(device, hsmSays(31650425, 0x11, signOnly...)), trusted, "origin is 0x11"},
		"may leave": {of(device, hsmSays(31650425, 1, 0, 0, 0, 0, 0, 1, 0, 0x80)), trusted,
			"under a wrap key"},
		"few capabilities":     {of(device, hsmSays(31650425, 1, 0x80)), trusted, "not of the form"},
		"another serial":       {of(device, hsmSays(1, 1, signOnly...)), trusted, "of serial 1"},
		"nothing but origin":   {of(device, hsmSays(31650425, 1, signOnly...)[:0]), trusted, ErrNone.Error()},
		"by a key of the user": {of(user, hsmSays(31650425, 1, signOnly...)), trusted, "which is signed by"},
		"a device that certifies": {append(of(long, hsmSays(31650425, 1, signOnly...))[:1], long.cert, batch.cert,
			root.cert),
			trusted, "lets it vouch"},
		"the maker's root by sum": {all, Roots{Sums: must(BuiltIn()).Sums}, ErrNoRoot.Error()},
		"no device": {[]*x509.Certificate{good.cert, batch.cert, root.cert}, trusted,
			"(object 0), which signed it, is not there"},
		"no sub-CA": {[]*x509.Certificate{good.cert, device.cert, root.cert}, trusted,
			ErrNoRoot.Error()},
		"the device's root is nobody": {all, Roots{Certificates: newCA(t, "Yubico YubiHSM Root CA").certs()},
			ErrNoRoot.Error()},
	} {
		_, err := Verify(c.certs[0].RawSubjectPublicKeyInfo, c.certs, c.roots)
		says := strings.TrimPrefix(c.says, "which is ")
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestPIVForm: what has the extensions of a YubiKey's word, and not their form, is none.
func TestPIVForm(t *testing.T) {
	root := newCA(t, "Yubico PIV Root CA")
	device := root.issue(t, "Yubico PIV Attestation", true, 0, nil)
	says := func(last int, value ...byte) pkix.Extension {
		return pkix.Extension{Id: append(slices.Clone(pivArc), last), Value: value}
	}
	const form = "its firmware or its policies are not of the form they have"
	for what, c := range map[string]struct {
		extensions []pkix.Extension
		says       string
	}{
		"a short firmware": {[]pkix.Extension{says(pivFirmware, 5, 4), says(pivPolicy, 2, 1)}, form},
		"one policy":       {[]pkix.Extension{says(pivFirmware, 5, 4, 3), says(pivPolicy, 2)}, form},
		"no firmware":      {[]pkix.Extension{says(pivPolicy, 2, 1)}, "41482.3.3 is there 0 times, not once"},
		"a serial of zeros": {[]pkix.Extension{says(pivFirmware, 5, 4, 3), says(pivPolicy, 2, 1), says(pivSerial, 0)},
			"its serial: "},
	} {
		leaf := device.issue(t, "YubiKey PIV Attestation 9c", false, 0, c.extensions)
		s, err := Verify(leaf.cert.RawSubjectPublicKeyInfo, append(leaf.certs(), device.cert),
			Roots{Certificates: root.certs()})
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, %v", what, s, err)
		}
	}
}

// TestParse: what is no list of certificates is refused by what it is.
func TestParse(t *testing.T) {
	one := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: newCA(t, "one").cert.Raw})
	for want, text := range map[string][]byte{
		"holds no certificate in PEM": []byte("junk"),
		`holds a "PRIVATE KEY", not cer`: append(slices.Clone(one),
			pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY"})...),
		"more than 64 certificates": slices.Repeat(one, 65),
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
	if certs, err := Parse(slices.Repeat(one, 64)); err != nil || len(certs) != 64 {
		t.Errorf("64 certificates: %d, %v", len(certs), err)
	}
}

// TestWeakRSA: RSA keys of the firmware that made weak ones are refused, from the first to the last.
func TestWeakRSA(t *testing.T) {
	root := newCA(t, "Yubico PIV Root CA")
	device := root.issue(t, "Yubico PIV Attestation", true, 0, nil)
	key := must(rsa.GenerateKey(rand.Reader, 2048))
	for firmware, ok := range map[[3]byte]bool{{4, 2, 5}: true, {4, 2, 6}: false, {4, 3, 4}: false, {4, 3, 5}: true} {
		template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Unix(1<<32, 0),
			ExtraExtensions: []pkix.Extension{{Id: append(slices.Clone(pivArc), pivFirmware), Value: firmware[:]},
				{Id: append(slices.Clone(pivArc), pivPolicy), Value: []byte{3, 2}}}}
		leaf := must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, template, device.cert,
			key.Public(), device.key))))
		s, err := Verify(leaf.RawSubjectPublicKeyInfo, []*x509.Certificate{leaf, device.cert},
			Roots{Certificates: root.certs()})
		if (err == nil) != ok || ok && (s.Claims["pin-policy"] != "always" || s.Claims["touch-policy"] != "always") {
			t.Errorf("%v: %v, %v", firmware, s, err)
		}
		// A key that a YubiKey attested is no attestation key: what it signs is nothing.
		forged := must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, template, leaf,
			device.cert.PublicKey, key))))
		_, err = Verify(forged.RawSubjectPublicKeyInfo, []*x509.Certificate{forged, leaf, device.cert},
			Roots{Certificates: root.certs()})
		if err == nil {
			t.Errorf("%v: a certificate by a key of its user passes", firmware)
		}
	}
}

// FuzzParse: what is no list of certificates is an error, and nothing panics.
func FuzzParse(f *testing.F) {
	f.Add(must(os.ReadFile("testdata/yubikey-5.4.3.pem")))
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
	f.Add(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY"}))
	f.Fuzz(func(t *testing.T, text []byte) {
		defer limittest.Budget(t)()
		certs, err := Parse(text)
		if (err == nil) != (len(certs) > 0) {
			t.Fatal(len(certs), err)
		}
		for _, c := range certs {
			Verify(c.RawSubjectPublicKeyInfo, certs, Roots{})
		}
	})
}
