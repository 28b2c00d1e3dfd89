package audit

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"net"
	"net/netip"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"
)

// certificateOf signs a template with a key of its own.
func certificateOf(t testing.TB, change func(*x509.Certificate)) *x509.Certificate {
	t.Helper()
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	c := &x509.Certificate{SerialNumber: big.NewInt(1 << 40), Subject: pkix.Name{CommonName: "x"}, NotAfter: time.Now().Add(time.Hour)}
	if change != nil {
		change(c)
	}
	return must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key))))
}

func TestParseTBS(t *testing.T) {
	good := certificateOf(t, func(c *x509.Certificate) { c.DNSNames = []string{"a.test"} })
	parsed, err := parseTBS(good.RawTBSCertificate)
	if err != nil {
		t.Fatal(err)
	}
	if parsed.Serial.Cmp(good.SerialNumber) != 0 || len(parsed.Extensions) != len(good.Extensions) {
		t.Errorf("serial %v, %d extensions", parsed.Serial, len(parsed.Extensions))
	}
	var fields []asn1.RawValue
	if _, err := asn1.Unmarshal(good.RawTBSCertificate, &fields); err != nil {
		t.Fatal(err)
	}
	bits := asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 1, Bytes: []byte{0, 1}}
	last := len(fields) - 1
	for name, bad := range map[string][]asn1.RawValue{
		"issuer's unique identifier": append(append([]asn1.RawValue{}, fields[:last]...), bits, fields[last]),
		"no extensions":              fields[:last],
		"no version":                 fields[1:],
		"nothing":                    nil,
	} {
		if _, err := parseTBS(must(asn1.Marshal(bad))); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := parseTBS(append(good.RawTBSCertificate[:len(good.RawTBSCertificate):len(good.RawTBSCertificate)], 0)); err == nil {
		t.Error("a byte more: accepted")
	}
}

func TestAltNames(t *testing.T) {
	value := func(c *x509.Certificate) []byte { return extension(c, oidAltNames) }
	dns, ips, err := altNames(value(certificateOf(t, func(c *x509.Certificate) {
		c.DNSNames, c.IPAddresses = []string{"b.test", "a.test"}, []net.IP{net.ParseIP("10.0.0.1"), net.ParseIP("fd00::1")}
	})))
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"b.test", "a.test"}; !reflect.DeepEqual(dns, want) {
		t.Errorf("DNS %q", dns)
	}
	if want := []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fd00::1")}; !reflect.DeepEqual(ips, want) {
		t.Errorf("IP %v", ips)
	}
	raw := func(tag int, content string) []byte {
		return must(asn1.Marshal([]asn1.RawValue{{Class: asn1.ClassContextSpecific, Tag: tag, Bytes: []byte(content)}}))
	}
	for name, bad := range map[string][]byte{
		"e-mail":        value(certificateOf(t, func(c *x509.Certificate) { c.EmailAddresses = []string{"a@b.test"} })),
		"URI":           value(certificateOf(t, func(c *x509.Certificate) { c.URIs = []*url.URL{must(url.Parse("https://a.test"))} })),
		"registered id": raw(8, "\x2a\x03"),
		"other name":    raw(0, "\x2a\x03"),
		"IP of 5 bytes": raw(7, "12345"),
		"no sequence":   []byte("x"),
		"text after":    append(raw(2, "a.test"), 0),
	} {
		if _, _, err := altNames(bad); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestExtensions(t *testing.T) {
	want := map[string]bool{oidKeyUsage.String(): true, oidSubjectKeyID.String(): false}
	usage := pkix.Extension{Id: oidKeyUsage, Critical: true}
	id := pkix.Extension{Id: oidSubjectKeyID}
	if got := extensions([]pkix.Extension{id, usage}, want); len(got) > 0 {
		t.Error(got)
	}
	for want1, found := range map[string][]pkix.Extension{
		"lacks extension 2.5.29.15":                      {id},
		"extension 2.5.29.15: critical is false":         {id, {Id: oidKeyUsage}},
		"has extension 2.5.29.14 twice":                  {id, usage, id},
		"has extension 2.5.29.30, which was not planned": {id, usage, {Id: asn1.ObjectIdentifier{2, 5, 29, 30}}},
	} {
		got := extensions(found, want)
		if len(got) != 1 || !strings.Contains(got[0], want1) {
			t.Errorf("want %q, got %q", want1, got)
		}
	}
}
