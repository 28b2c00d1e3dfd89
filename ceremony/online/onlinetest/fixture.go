// Package onlinetest makes authorities, a grant and requests for tests of the online
// signer.
package onlinetest

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/netip"
	"testing"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/online/grant"
	"officiant/ceremony/online/policy"
	"officiant/signer"
)

// Start is when the fixture's grant begins to hold.
var Start = time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)

// Key is a key in memory; Fail, when set, is asked before each signature.
type Key struct {
	crypto.Signer
	Label string
	Fail  func() error
}

func (k *Key) SignContext(_ context.Context, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if k.Fail != nil {
		if err := k.Fail(); err != nil {
			return nil, err
		}
	}
	return k.Sign(rand.Reader, digest, opts)
}

func (k *Key) Info() signer.Info { return signer.Info{Label: k.Label} }

// NewKey makes a P-256 key in memory.
func NewKey(t testing.TB, label string) *Key {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &Key{Signer: key, Label: label}
}

// Certify makes the certificate of an authority with a key, for a use.
func Certify(t testing.TB, key crypto.Signer, name string, use x509.ExtKeyUsage, from,
	until time.Time) *x509.Certificate {
	template := &x509.Certificate{
		SerialNumber: Serial(t), Subject: pkix.Name{CommonName: name, Organization: []string{"demo"}},
		NotBefore: from, NotAfter: until, IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, ExtKeyUsage: []x509.ExtKeyUsage{use},
	}
	if signer, ok := key.(*Key); ok {
		key = signer.Signer
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// PEM is a certificate as text.
func PEM(c *x509.Certificate) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
}

// World is a grant and its keys.
type World struct {
	Client, Server, Journal *Key
	Grant                   *grant.Grant // not parsed: change it, then Parse
}

// New makes a grant of two nodes and a user, whose keys are in memory.
func New(t testing.TB) *World {
	w := &World{NewKey(t, "demo/kubelet-client"), NewKey(t, "demo/kubelet-serving"), NewKey(t, "demo/journal"), nil}
	w.Grant = Grant(t, Start, w.Client, w.Server, w.Journal)
	return w
}

// Grant is one over keys that are there, from a time on.
func Grant(t testing.TB, from time.Time, client, server, journal crypto.Signer) *grant.Grant {
	spki, err := fingerprint.SPKI(journal.Public())
	if err != nil {
		t.Fatal(err)
	}
	until := from.AddDate(0, 0, 90)
	authority := func(signerName, name string, key crypto.Signer, use x509.ExtKeyUsage) grant.Authority {
		cert := Certify(t, key, name, use, from, until)
		return grant.Authority{SignerName: signerName, Name: name, Certificate: PEM(cert), Life: "24h0m0s"}
	}
	return &grant.Grant{
		APIVersion: "officiant/v1", Kind: "Grant", Cluster: "demo", Sequence: 1, NotBefore: from, NotAfter: until,
		JournalKey: spki,
		Authorities: []grant.Authority{
			authority(grant.KubeletClient, "kubelet-client", client, x509.ExtKeyUsageClientAuth),
			authority(grant.KubeletServer, "kubelet-serving", server, x509.ExtKeyUsageServerAuth),
			authority(grant.Client, "kubelet-client", client, x509.ExtKeyUsageClientAuth),
		},
		KeyAlgorithms: []signer.Algorithm{signer.ECDSAP256, signer.ECDSAP384},
		Reserved: grant.Reserved{DNSNames: []string{"api.demo.example"},
			Networks: []netip.Prefix{netip.MustParsePrefix("10.96.0.0/12")}},
		Nodes: []grant.Node{
			{Name: "worker-1", Roles: []string{"worker"}, DNSNames: []string{"worker-1"},
				IPAddresses: []netip.Addr{netip.MustParseAddr("10.0.0.11")}, SignaturesPerDay: 4,
				Bootstrap: "system:bootstrap:07401b"},
			{Name: "worker-2", Roles: []string{"worker"}, DNSNames: []string{"worker-2"},
				IPAddresses: []netip.Addr{netip.MustParseAddr("10.0.0.12")}, SignaturesPerDay: 4},
		},
		Users: []grant.User{{Name: "ann", Groups: []string{"operators"}, Requester: "kubernetes-admin",
			SignaturesPerDay: 2}},
	}
}

// Parse is the grant as a signer reads it.
func Parse(t testing.TB, g *grant.Grant) *grant.Grant {
	t.Helper()
	data, err := g.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := grant.Parse("grant.json", data)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// CSR makes a request in PEM.
func CSR(t testing.TB, key crypto.Signer, template *x509.CertificateRequest) []byte {
	if own, ok := key.(*Key); ok {
		key = own.Signer
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, template, key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
}

// NodeSubject is that of a kubelet.
func NodeSubject(node string) pkix.Name {
	return pkix.Name{CommonName: "system:node:" + node, Organization: []string{"system:nodes"}}
}

// ClientRequest is a kubelet's for its next client certificate.
func ClientRequest(t testing.TB, node string, key crypto.Signer) policy.Request {
	return policy.Request{
		SignerName: grant.KubeletClient, Username: "system:node:" + node,
		Groups: []string{"system:nodes", "system:authenticated"}, Usages: []string{"digital signature", "client auth"},
		CSR: CSR(t, key, &x509.CertificateRequest{Subject: NodeSubject(node)}),
	}
}

// ServerRequest is a kubelet's for its serving certificate.
func ServerRequest(t testing.TB, node string, key crypto.Signer, dns []string, ips ...string) policy.Request {
	template := &x509.CertificateRequest{Subject: NodeSubject(node), DNSNames: dns}
	for _, ip := range ips {
		template.IPAddresses = append(template.IPAddresses, netip.MustParseAddr(ip).AsSlice())
	}
	return policy.Request{
		SignerName: grant.KubeletServer, Username: "system:node:" + node,
		Groups: []string{"system:nodes", "system:authenticated"}, Usages: []string{"digital signature", "server auth"},
		CSR: CSR(t, key, template),
	}
}

// Serial is a serial number of random bits.
func Serial(t testing.TB) *big.Int {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 126))
	if err != nil {
		t.Fatal(err)
	}
	return n.Add(n, new(big.Int).Lsh(big.NewInt(1), 126))
}
