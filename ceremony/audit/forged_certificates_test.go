package audit_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"officiant/ceremony/audit"
)

// forgery is a certificate that the right key signed and nobody planned.
type forgery struct {
	what, name string
	sign       func(f *forger, template, parent *x509.Certificate) []byte
	says       string
}

// altered signs a changed template with the right key.
func altered(signer string, change func(c *x509.Certificate)) func(*forger, *x509.Certificate, *x509.Certificate) []byte {
	return func(f *forger, c, parent *x509.Certificate) []byte {
		change(c)
		return must(x509.CreateCertificate(rand.Reader, c, parent, c.PublicKey, f.key(signer)))
	}
}

func extra(oid asn1.ObjectIdentifier, value []byte) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.ExtraExtensions = []pkix.Extension{{Id: oid, Value: value}} }
}

// rename gives a template another subject.
func rename(change func(n *pkix.Name)) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.RawSubject, c.Subject.Names, c.Subject.ExtraNames = nil, nil, nil
		change(&c.Subject)
	}
}

var forgeries = []forgery{
	{"a DNS name more", "cp-1/apiserver", altered("kubernetes", func(c *x509.Certificate) { c.DNSNames = append(c.DNSNames, "evil.test") }), `has "evil.test" among its DNS names`},
	{"an address more", "cp-1/etcd/server", altered("etcd", func(c *x509.Certificate) { c.IPAddresses = append(c.IPAddresses, net.IPv4(192, 0, 2, 1)) }), `has "192.0.2.1" among its IP addresses`},
	{"a DNS name less", "cp-1/apiserver", altered("kubernetes", func(c *x509.Certificate) { c.DNSNames = c.DNSNames[1:] }), `lacks "cp-1" among its DNS names`},
	{"a DNS name twice", "cp-1/apiserver", altered("kubernetes", func(c *x509.Certificate) { c.DNSNames = append(c.DNSNames, "cp-1") }), "DNS names are"},
	{"DNS names in another order", "cp-1/apiserver", altered("kubernetes", func(c *x509.Certificate) { slices.Reverse(c.DNSNames) }), "DNS names are"},
	{"names where none are", "worker-1/kubelet.conf", altered("kubernetes", func(c *x509.Certificate) { c.DNSNames = []string{"worker-1"} }), `has "worker-1" among its DNS names`},
	{"an e-mail address", "cp-1/apiserver", altered("kubernetes", func(c *x509.Certificate) { c.EmailAddresses = []string{"a@evil.test"} }), "a subject alternative name of kind 1"},
	{"a group", "worker-1/kubelet.conf", altered("kubernetes", rename(func(n *pkix.Name) { n.Organization = append(n.Organization, "system:masters") })), "subject is"},
	{"another name", "worker-1/kubelet.conf", altered("kubernetes", rename(func(n *pkix.Name) { n.CommonName = "system:node:cp-1" })), "subject is"},
	{"an attribute more", "cp-1/front-proxy-client", altered("front-proxy", rename(func(n *pkix.Name) { n.Country = []string{"XX"} })), "subject is"},
	{"a day more", "cp-1/admin.conf", altered("kubernetes", func(c *x509.Certificate) { c.NotAfter = c.NotAfter.Add(24 * time.Hour) }), "valid until"},
	{"a second less", "cp-1/admin.conf", altered("kubernetes", func(c *x509.Certificate) { c.NotAfter = c.NotAfter.Add(-time.Second) }), "valid until"},
	{"an earlier begin", "cp-1/admin.conf", altered("kubernetes", func(c *x509.Certificate) { c.NotBefore = c.NotBefore.Add(-time.Hour) }), "valid from"},
	{"a CA among the leaves", "cp-1/admin.conf", altered("kubernetes", func(c *x509.Certificate) { c.IsCA, c.MaxPathLen = true, -1 }), "CA is true"},
	{"a usage more", "cp-1/apiserver", altered("kubernetes", func(c *x509.Certificate) { c.ExtKeyUsage = append(c.ExtKeyUsage, x509.ExtKeyUsageClientAuth) }), "extended key usage is"},
	{"any usage", "cp-1/apiserver", altered("kubernetes", func(c *x509.Certificate) { c.ExtKeyUsage = nil }), "extended key usage is"},
	{"an unknown usage", "cp-1/apiserver", altered("kubernetes", func(c *x509.Certificate) { c.UnknownExtKeyUsage = []asn1.ObjectIdentifier{{1, 2, 3}} }), "extended key usage is"},
	{"a key usage more", "cp-1/admin.conf", altered("kubernetes", func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageCertSign }), "key usage is"},
	{"an extension more", "cp-1/admin.conf", altered("kubernetes", extra(asn1.ObjectIdentifier{1, 2, 3, 4}, []byte{5, 0})), "has extension 1.2.3.4, which was not planned"},
	{"a place for revocation lists", "cp-1/admin.conf", altered("kubernetes", func(c *x509.Certificate) { c.CRLDistributionPoints = []string{"http://evil.test"} }), "has extension 2.5.29.31, which was not planned"},
	{"another key's identifier", "cp-1/admin.conf", altered("kubernetes", func(c *x509.Certificate) { c.SubjectKeyId = make([]byte, 20) }), "subject key identifier is"},
	{"a short serial number", "cp-1/admin.conf", altered("kubernetes", func(c *x509.Certificate) { c.SerialNumber = big.NewInt(4711) }), "is too short to be random"},
	{"another hash", "cp-1/admin.conf", altered("kubernetes", func(c *x509.Certificate) { c.SignatureAlgorithm = x509.ECDSAWithSHA512 }), "signature algorithm is"},
	{"another public key", "cp-1/admin.conf", func(f *forger, c, parent *x509.Certificate) []byte {
		key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
		return must(x509.CreateCertificate(rand.Reader, c, parent, key.Public(), f.key("kubernetes")))
	}, "public key is"},
	{"a CA's key in a leaf", "cp-1/admin.conf", func(f *forger, c, parent *x509.Certificate) []byte {
		return must(x509.CreateCertificate(rand.Reader, c, parent, f.key("etcd").Public(), f.key("kubernetes")))
	}, "has the public key of the etcd key"},
	{"another authority's signature", "cp-1/admin.conf", func(f *forger, c, parent *x509.Certificate) []byte {
		parent.PublicKey = f.key("etcd").Public()
		return must(x509.CreateCertificate(rand.Reader, c, parent, c.PublicKey, f.key("etcd")))
	}, "signature is not that of authority kubernetes"},
	{"another authority altogether", "cp-1/front-proxy-client", func(f *forger, c, _ *x509.Certificate) []byte {
		intent, _ := first(f, named("kubernetes"))
		parent := must(x509.ParseCertificate(issuedDER(f, intent)))
		return must(x509.CreateCertificate(rand.Reader, c, parent, c.PublicKey, f.key("kubernetes")))
	}, "issuer is"},
	{"no authority key identifier", "cp-1/admin.conf", func(f *forger, c, parent *x509.Certificate) []byte {
		parent.SubjectKeyId, c.AuthorityKeyId = nil, nil
		return must(x509.CreateCertificate(rand.Reader, c, parent, c.PublicKey, f.key("kubernetes")))
	}, "lacks extension 2.5.29.35"},
	{"a critical usage", "cp-1/admin.conf", altered("kubernetes", func(c *x509.Certificate) {
		c.ExtraExtensions = []pkix.Extension{{Id: oidExtKeyUsage, Critical: true, Value: rawExtension(c, oidExtKeyUsage)}}
	}), "extension 2.5.29.37: critical is true"},
	{"a unique identifier", "cp-1/admin.conf", func(f *forger, c, _ *x509.Certificate) []byte { return withUniqueID(f.key("kubernetes"), c) }, "with extensions alone"},
	{"a longer path", "kubernetes", altered("root", func(c *x509.Certificate) { c.MaxPathLen = 3 }), "path length is 3"},
	{"any usage of an authority", "front-proxy", altered("root", func(c *x509.Certificate) { c.ExtKeyUsage = append(c.ExtKeyUsage, x509.ExtKeyUsageServerAuth) }), "extended key usage is"},
	{"a year more than the root", "etcd", altered("root", func(c *x509.Certificate) { c.NotAfter = c.NotAfter.AddDate(30, 0, 0) }), "its issuer only from"},
	{"a name constraint", "kubernetes", altered("root", func(c *x509.Certificate) { c.PermittedDNSDomains = []string{"test"} }), "has extension 2.5.29.30, which was not planned"},
	{"a root of longer path", "root", altered("root", func(c *x509.Certificate) { c.MaxPathLen = 4 }), "path length is 4"},
	{"another root's name", "root", altered("root", rename(func(n *pkix.Name) { n.CommonName = "other" })), "subject is"},
}

var oidExtKeyUsage = asn1.ObjectIdentifier{2, 5, 29, 37}

func rawExtension(c *x509.Certificate, id asn1.ObjectIdentifier) []byte {
	for _, e := range c.Extensions {
		if e.Id.Equal(id) {
			return e.Value
		}
	}
	return nil
}

// withUniqueID adds a field to a certificate that Go's x509 passes over.
func withUniqueID(key crypto.Signer, c *x509.Certificate) []byte {
	var fields []asn1.RawValue
	must(asn1.Unmarshal(c.RawTBSCertificate, &fields))
	last := len(fields) - 1
	unique := asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 2, Bytes: []byte{0, 1, 2}}
	tbs := must(asn1.Marshal(append(fields[:last:last], unique, fields[last])))
	var outer []asn1.RawValue
	must(asn1.Unmarshal(c.Raw, &outer))
	sum := sha256.Sum256(tbs)
	signature := must(key.Sign(rand.Reader, sum[:], crypto.SHA256))
	return must(asn1.Marshal([]asn1.RawValue{
		{FullBytes: tbs}, outer[1], {FullBytes: must(asn1.Marshal(asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)}))},
	}))
}

// TestForgedCertificates has every key sign what was not planned. Record and
// bundles are made to fit: the certificate itself has to give it away.
func TestForgedCertificates(t *testing.T) {
	whole := perform(t)
	for _, c := range forgeries {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			f := whole.forge(t)
			f.reissue(c.name, func(template, parent *x509.Certificate) []byte { return c.sign(f, template, parent) })
			if err := f.write(); err != nil {
				t.Fatal(err)
			}
			r := f.auditWith(t, audit.Options{Now: time.Now(), ReleaseKey: f.release.Public()})
			wantFinding(t, r, c.name, c.says)
			if !strings.Contains(c.name, "/") {
				return // what an authority has signed is affected too
			}
			node, _, _ := strings.Cut(c.name, "/")
			wantOnly(t, r, c.name, "bundles/"+node)
		})
	}
}
