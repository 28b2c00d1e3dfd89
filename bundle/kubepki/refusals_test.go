package kubepki_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"officiant/bundle/kubepki"
	"officiant/bundle/refusaltest"
)

var noon = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// pairs makes keys once, by name.
type pairs map[string]crypto.Signer

func (p pairs) of(t *testing.T, name string) crypto.Signer {
	t.Helper()
	if p[name] != nil {
		return p[name]
	}
	var err error
	switch name {
	case "rsa1024":
		t.Setenv("GODEBUG", "rsa1024min=0")
		p[name], err = rsa.GenerateKey(rand.Reader, 1024)
	case "p224":
		p[name], err = ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	case "ed25519":
		_, p[name], err = ed25519.GenerateKey(rand.Reader)
	default:
		p[name], err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		t.Fatal(err)
	}
	return p[name]
}

// ca is the template of a CA called by its key.
func ca(name string, change ...func(*x509.Certificate)) *x509.Certificate {
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: noon.Add(-time.Hour),
		NotAfter: noon.Add(1000 * time.Hour), BasicConstraintsValid: true, IsCA: true, MaxPathLen: -1,
		KeyUsage: x509.KeyUsageCertSign, SubjectKeyId: []byte(name),
	}
	for _, f := range change {
		f(c)
	}
	return c
}

// made is one certificate of a chain in PEM: of a key, by another.
func (p pairs) made(t *testing.T, template *x509.Certificate, key string, issuer *x509.Certificate,
	by string) string {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, issuer, p.of(t, key).Public(), p.of(t, by))
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func parsed(data []byte) (list []*x509.Certificate) {
	for {
		block, rest := pem.Decode(data)
		if block == nil {
			return list
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			panic(err)
		}
		list, data = append(list, c), rest
	}
}

func joined(problems []string) error {
	if len(problems) == 0 {
		return nil
	}
	return errors.New(strings.Join(problems, "\n"))
}

// TestRefusals is the catalogue of what is wrong with CAs above an authority, and with
// certificates that a cluster keeps.
func TestRefusals(t *testing.T) {
	p := pairs{}
	self := func(key string, change ...func(*x509.Certificate)) string {
		c := ca("root", change...)
		return p.made(t, c, key, c, key)
	}
	type cert = x509.Certificate
	good := self("root")
	above := func(data []byte) error { return joined(kubepki.Above(parsed(data)[0], 2)) }
	// The last is the root, the first the certificate; those between come along.
	chain := func(data []byte) error {
		list := parsed(data)
		last := len(list) - 1
		way, err := kubepki.Chain(list[0], list[last], list[1:last])
		if err != nil {
			return err
		}
		return joined(kubepki.Chained(list[0], list[last], way, noon))
	}
	leaf := func(issuer, by string) string { return p.made(t, ca("leaf"), "leaf", ca(issuer), by) }
	between := func(name, issuer string, change ...func(*cert)) string {
		return p.made(t, ca(name, change...), name, ca(issuer), issuer)
	}
	long := leaf("e", "e")
	for _, step := range []string{"ed", "dc", "cb", "ba"} {
		long += between(step[:1], step[1:])
	}
	serving := &cert{SerialNumber: big.NewInt(2), NotAfter: noon, Subject: pkix.Name{CommonName: "old"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, DNSNames: []string{"cp-1"}}
	served := func(change func(*cert)) string {
		c := *serving
		change(&c)
		return p.made(t, &c, "leaf", ca("root"), "root")
	}
	notOf := func(l kubepki.Leaf) func([]byte) error {
		n := kubepki.Node{Name: "cp-1", Address: netip.MustParseAddr("10.0.0.1")}
		return func(data []byte) error { return joined(kubepki.NotOf(parsed(data)[0], n, l)) }
	}
	server := notOf(kubepki.Leaf{ExtKeyUsage: serving.ExtKeyUsage})
	client := notOf(kubepki.Leaf{CommonName: "kube-apiserver-kubelet-client",
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	clientCert := served(func(c *cert) {
		c.Subject.CommonName, c.ExtKeyUsage = "kube-apiserver-kubelet-client",
			[]x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	})
	pss := refusaltest.Shell(t, t.TempDir(), `openssl req -x509 -newkey rsa:2048 -nodes -keyout k -subj /CN=r -out r
		openssl req -new -newkey rsa:2048 -nodes -keyout l -subj /CN=leaf -out q
		openssl x509 -req -in q -CA r -CAkey k -CAcreateserial -sha256 -sigopt rsa_padding_mode:pss \
			-sigopt rsa_pss_saltlen:20 -out c; cat c r`)
	unknown := pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: []byte{5, 0}}
	refusaltest.Hold(t, refusaltest.Table{
		Read: above, Sources: []string{"external.go", "adopted.go"},
		Except: map[string]string{
			"signature algorithm is %s":                      "TestOldOnes: crypto/x509 makes none by SHA-1",
			"is a certificate of X.509 version":              "TestOldOnes",
			"%q is signed with an algorithm that Kubernetes": "TestNoIssuer",
			"%q names its issuer %q in another encoding":     "TestNoIssuer",
		},
		Rows: []refusaltest.Row{
			{Of: "a root", Data: good},
			{Of: "a leaf", Data: self("root", func(c *cert) { c.IsCA = false }),
				Says: "is not the certificate of a CA", Not: good},
			{Of: "for lists alone", Data: self("root", func(c *cert) { c.KeyUsage = x509.KeyUsageCRLSign }),
				Not: self("root",
					func(c *cert) { c.KeyUsage = 0 }),
				Says: "its key usage does not allow certificates to be signed"},
			{Of: "no subject", Data: self("", func(c *cert) { c.Subject = pkix.Name{} }), Not: good,
				Says: "has no subject, and what it certifies would name no issuer"},
			{Of: "a short path", Data: self("root", func(c *cert) { c.MaxPathLen = 1 }), Not: self("root",
				func(c *cert) { c.MaxPathLen = 2 }), Says: "path length 1, and 2 CAs stand below it"},
			{Of: "unknown", Data: self("root", func(c *cert) { c.ExtraExtensions = []pkix.Extension{unknown} }),
				Not:  good,
				Says: "has unknown critical extension 1.2.3"},
			{Of: "constraints", Data: self("root",
				func(c *cert) { c.PermittedDNSDomains = []string{"example.com"} }), Not: good,
				Says: "has name constraints; names like kubernetes.default"},
			{Of: "for servers", Data: self("root", func(c *cert) { c.ExtKeyUsage = serving.ExtKeyUsage }),
				Not: self("root",
					func(c *cert) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageAny} }),
				Says: "its extended key usage leaves out serverAuth or clientAuth"},
			{Of: "a small key", Data: self("rsa1024"), Not: good,
				Says: "key is RSA of 1024 bits, not 2048 to 8192"},
			{Of: "a small curve", Data: self("p224"), Not: good, Says: "key is on curve P-224"},
			{Of: "another kind of key", Data: self("ed25519"), Not: good,
				Says: "key is ed25519.PublicKey, neither RSA nor ECDSA"},
			{Of: "a long way", Read: chain, Data: long + between("a", "root") + good, Not: leaf("e",
				"e") + strings.Replace(
				long, leaf("e", "e"), "", 1) + good, Instead: "was issued by",
				Says: `more than 4 CAs stand between "CN=leaf" and the root`},
			{Of: "below a leaf", Read: chain, Data: leaf("x", "x") + between("x", "root",
				func(c *cert) { c.IsCA = false }) + good,
				Not:  leaf("x", "x") + between("x", "root") + good,
				Says: `"CN=x" as its issuer, which is the certificate of no CA`},
			{Of: "below one for lists", Read: chain, Data: leaf("x", "x") + between("x", "root",
				func(c *cert) { c.KeyUsage = x509.KeyUsageCRLSign }) + good, Not: leaf("x", "x") + between("x",
				"root") + good,
				Says: "whose key usage does not allow certificates to be signed"},
			{Of: "a circle", Read: chain, Data: leaf("x", "x") + between("x", "y") + between("y", "x") + good,
				Not:  leaf("x", "x") + between("x", "y") + between("x", "root") + good,
				Says: "leads back to it and to no root"},
			{Of: "a forged root", Read: chain, Data: leaf("root", "other") + good, Not: leaf("root", "root") + good,
				Says: "names the root as its issuer, and its signature is not by the root's key"},
			{Of: "a forged CA", Read: chain, Data: leaf("x", "other") + between("x", "root") + good,
				Not:  leaf("x", "x") + between("x", "root") + good,
				Says: "and its signature is not by that CA's key"},
			{Of: "as Microsoft's CA signs", Read: chain, Data: pss, Not: leaf("root", "root") + good,
				Says: "Kubernetes does not verify (RSASSA-PSS with another salt): have it signed with"},
			{Of: "another CA", Read: chain, Data: leaf("x", "x") + good, Not: leaf("root", "root") + good,
				Says: `"CN=leaf" was issued by "CN=x", which is neither the root nor a CA that came with it`},
			{Of: "outlives", Read: chain, Data: leaf("root", "root") + self("root",
				func(c *cert) { c.NotAfter = noon }),
				Not:  leaf("root", "root") + good,
				Says: `"CN=leaf" is valid until 2027-01-11T04:00:00Z, its issuer "CN=root" only until`},
			{Of: "ended", Read: chain, Data: leaf("root", "root") + self("root",
				func(c *cert) { c.NotAfter = noon.Add(-1) }),
				Not: leaf("root", "root") + good, Says: "and it is 2026-11-30T12:00:00Z"},
			{Of: "of a CA with a problem", Read: chain, Data: leaf("root", "root") + self("root", func(c *cert) {
				c.PermittedDNSDomains = []string{"a"}
			}), Not: leaf("root", "root") + good, Says: `"CN=root": has name constraints`},
			{Of: "a server", Read: server, Data: served(func(*cert) {})},
			{Of: "another server", Read: server, Data: served(func(c *cert) { c.DNSNames = []string{"cp-2"} }),
				Not: served(
					func(c *cert) { c.DNSNames, c.IPAddresses = nil, []net.IP{net.IPv4(10, 0, 0, 1)} }),
				Says: `is neither for cp-1 nor for 10.0.0.1, but for ["cp-2"], []`},
			{Of: "a server by its CN", Read: server, Data: served(func(c *cert) {
				c.DNSNames,
					c.Subject.CommonName = nil, "cp-1"
			}),
				Not:  served(func(*cert) {}),
				Says: "has no subject alternative name, and must be for cp-1 or 10.0.0.1"},
			{Of: "no server", Read: server, Data: served(func(c *cert) { c.ExtKeyUsage = nil }),
				Not: served(func(c *cert) {
					c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageAny}
				}), Says: "its extended key usage has no serverAuth"},
			{Of: "no client", Read: client, Data: served(func(*cert) {}), Not: clientCert,
				Says: "its extended key usage has no clientAuth"},
			{Of: "another client", Read: client, Data: strings.TrimSpace(served(func(c *cert) {
				c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
			})), Not: clientCert, Says: `CN is "old", must be "kube-apiserver-kubelet-client"`},
			{Of: "without an identifier", Read: func(data []byte) error {
				c := *parsed(data)[0]
				if strings.Contains(string(data), "bare") {
					c.SubjectKeyId = nil // crypto/x509 gives every CA one that it makes
				}
				return joined(kubepki.Above(&c, 2))
			}, Data: "bare\n" + good, Not: good, Says: "has no subject key identifier (RFC 5280, 4.2.1.2)"},
		},
	})
}

// TestOldOnes: what only old programs make has its own reason, too.
func TestOldOnes(t *testing.T) {
	p := pairs{}
	c := ca("root")
	first := *parsed([]byte(p.made(t, c, "root", c, "root")))[0]
	first.Version = 1
	weak := *parsed([]byte(p.made(t, ca("between"), "between", c, "root")))[0]
	weak.SignatureAlgorithm = x509.SHA1WithRSA
	for want, cert := range map[string]*x509.Certificate{
		"is a certificate of X.509 version 1, which cannot say that it is a CA's": &first,
		"signature algorithm is SHA1-RSA":                                         &weak,
	} {
		if got := kubepki.Above(cert, 1); len(got) != 1 || !strings.HasPrefix(got[0], want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestForeignHashes: RSASSA-PSS is verified with the hashes that CAs use, and another one
// is named.
func TestForeignHashes(t *testing.T) {
	for hash, want := range map[string]string{
		"-sha256": "", "-sha1": "",
		"-sha224": "signs itself by RSASSA-PSS with the hash 2.16.840.1.101.3.4.2.4, which is not known here",
	} {
		root := refusaltest.Shell(t, t.TempDir(), "openssl req -x509 -newkey rsa:2048 -nodes -keyout k -subj /CN=r "+
			"-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:20 "+hash)
		got := ""
		if err := kubepki.SelfSigned(parsed([]byte(root))[0]); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %q, want %q", hash, got, want)
		}
	}
}
