package bundletest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/netip"
	"testing"
	"time"

	"officiant/bundle"
	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/bundle/seal"
)

// Now is the time tests live in.
var Now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// PKI is a root, three intermediates, a release key and a service-account key.
type PKI struct {
	Cluster     kubepki.Cluster
	Root        Authority
	Authorities map[kubepki.Authority]Authority
	Release     crypto.Signer
	Account     crypto.Signer
	Ceremony    fingerprint.SHA256
	Transcript  fingerprint.SHA256
}

// Authority is a certificate and its key.
type Authority struct {
	Certificate *x509.Certificate
	Key         crypto.Signer
}

// Cluster is the cluster most tests are about.
func Cluster() kubepki.Cluster {
	return kubepki.Cluster{
		Name: "demo", KubernetesVersion: kubepki.Newest(), ControlPlaneEndpoint: "api.demo.test:6443",
	}.Complete()
}

// First is a stacked control-plane node that runs kubeadm init.
func First() kubepki.Node {
	return kubepki.Node{Name: "cp-1", Roles: []kubepki.Role{kubepki.ControlPlane, kubepki.Etcd}, Address: netip.MustParseAddr("10.0.0.11"), First: true}
}

// Newest is the format in which bundles of Cluster are built today, and Online that of
// clusters with an online signer.
const Newest, Online = 5, 6

// OnlineCluster is Cluster with the authorities of an online signer.
func OnlineCluster() kubepki.Cluster {
	c := Cluster()
	c.KubeletServing, c.KubeletClient = true, true
	return c
}

// Worker is a worker node.
func Worker() kubepki.Node {
	return kubepki.Node{Name: "worker-1", Roles: []kubepki.Role{kubepki.Worker}}
}

// EtcdOnly is a node of role etcd alone.
func EtcdOnly() kubepki.Node {
	return kubepki.Node{Name: "etcd-1", Roles: []kubepki.Role{kubepki.Etcd}, Address: netip.MustParseAddr("10.0.0.21")}
}

// New makes a PKI for the cluster.
func New(t testing.TB, c kubepki.Cluster) *PKI {
	t.Helper()
	p := &PKI{
		Cluster: c, Authorities: map[kubepki.Authority]Authority{},
		Release: Key(t), Account: Key(t),
		Ceremony: fingerprint.Of([]byte("ceremony")), Transcript: fingerprint.Of([]byte("transcript")),
	}
	for _, spec := range kubepki.Authorities(c) {
		key := Key(t)
		template := AuthorityTemplate(spec, c.Name)
		if spec.Authority == kubepki.Root {
			p.Root = Authority{Sign(t, template, template, key.Public(), key), key}
			continue
		}
		p.Authorities[spec.Authority] = Authority{Sign(t, template, p.Root.Certificate, key.Public(), p.Root.Key), key}
	}
	return p
}

// AuthorityTemplate is what an authority's certificate must look like.
func AuthorityTemplate(spec kubepki.AuthoritySpec, cluster string) *x509.Certificate {
	life := 10 * 365 * 24 * time.Hour
	if spec.Authority == kubepki.Root {
		life *= 2
	}
	return &x509.Certificate{
		SerialNumber: Serial(),
		Subject:      pkix.Name{CommonName: spec.CommonName, Organization: []string{cluster}},
		NotBefore:    Now.Add(-5 * time.Minute), NotAfter: Now.Add(life),
		KeyUsage: spec.KeyUsage, ExtKeyUsage: spec.ExtKeyUsage,
		BasicConstraintsValid: true, IsCA: true, MaxPathLen: spec.MaxPathLen, MaxPathLenZero: spec.MaxPathLen == 0,
	}
}

// List is a revocation list of the authority, in DER.
func (a Authority) List(t testing.TB, number int64, at time.Time, revoked ...*big.Int) []byte {
	t.Helper()
	l := &x509.RevocationList{Number: big.NewInt(number), ThisUpdate: at, NextUpdate: at.AddDate(0, 3, 0)}
	for _, serial := range revoked {
		l.RevokedCertificateEntries = append(l.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: serial, RevocationTime: at, ReasonCode: 1})
	}
	der, err := x509.CreateRevocationList(rand.Reader, l, a.Certificate, a.Key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// LeafTemplate is what a leaf's certificate must look like.
func LeafTemplate(l kubepki.Leaf) *x509.Certificate {
	c := &x509.Certificate{
		SerialNumber: Serial(),
		Subject:      pkix.Name{CommonName: l.CommonName, Organization: l.Organization},
		NotBefore:    Now.Add(-5 * time.Minute), NotAfter: Now.Add(365 * 24 * time.Hour),
		DNSNames: l.DNSNames, KeyUsage: l.KeyUsage, ExtKeyUsage: l.ExtKeyUsage,
		BasicConstraintsValid: true,
	}
	for _, a := range l.IPAddresses {
		c.IPAddresses = append(c.IPAddresses, a.AsSlice())
	}
	return c
}

// Sign makes a certificate.
func Sign(t testing.TB, template, parent *x509.Certificate, pub crypto.PublicKey, signer crypto.Signer) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, pub, signer)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Serial is a fresh serial number.
func Serial() *big.Int {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 126))
	if err != nil {
		panic(err) // never fails
	}
	return n.Add(n, big.NewInt(1))
}

// Key makes an ECDSA P-256 key.
func Key(t testing.TB) crypto.Signer {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// RSAKey makes an RSA key.
func RSAKey(t testing.TB, bits int) crypto.Signer {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// PublicPEM renders a public key as release.pub and sa.pub have it.
func PublicPEM(t testing.TB, pub crypto.PublicKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// PrivatePEM renders a private key as PKCS #8.
func PrivatePEM(t testing.TB, key crypto.Signer) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// Node is a node with what stays on it.
type Node struct {
	kubepki.Node
	Identity, Recipient string
	Keys                map[string]crypto.Signer // by Leaf.Name
	Request             fingerprint.SHA256
}

// NewNode makes a node's keys and identity.
func (p *PKI) NewNode(t testing.TB, n kubepki.Node) *Node {
	t.Helper()
	identity, recipient, err := seal.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	node := &Node{Node: n, Identity: identity, Recipient: recipient, Keys: map[string]crypto.Signer{}, Request: fingerprint.Of([]byte(n.Name))}
	for _, l := range p.Leaves(t, n) {
		node.Keys[l.Name] = Key(t)
	}
	return node
}

// Leaves are the node's leaves.
func (p *PKI) Leaves(t testing.TB, n kubepki.Node) []kubepki.Leaf {
	t.Helper()
	leaves, err := kubepki.Leaves(p.Cluster, n)
	if err != nil {
		t.Fatal(err)
	}
	return leaves
}

// Parts issues everything the node needs.
func (p *PKI) Parts(t testing.TB, n *Node) bundle.Parts {
	t.Helper()
	parts := bundle.Parts{
		Cluster: p.Cluster, Node: n.Node, Request: n.Request, Root: p.Root.Certificate,
		Authorities: map[kubepki.Authority]*x509.Certificate{}, Leaves: map[string]*x509.Certificate{},
	}
	for name, a := range p.Authorities {
		parts.Authorities[name] = a.Certificate
	}
	for _, l := range p.Leaves(t, n.Node) {
		issuer := p.Authorities[l.Authority]
		parts.Leaves[l.Name] = Sign(t, LeafTemplate(l), issuer.Certificate, n.Keys[l.Name].Public(), issuer.Key)
	}
	if p.Cluster.RevocationLists && n.Has(kubepki.Etcd) {
		parts.RevocationList = p.Authorities[kubepki.EtcdAuthority].List(t, 1, Now)
	}
	if n.Has(kubepki.ControlPlane) {
		sealed, err := seal.Seal([]string{n.Recipient}, PrivatePEM(t, p.Account))
		if err != nil {
			t.Fatal(err)
		}
		parts.ServiceAccountSealed = sealed
		parts.ServiceAccountPublic = PublicPEM(t, p.Account.Public())
	}
	return parts
}

// Header is the header of a node's bundle.
func (p *PKI) Header(n *Node, sequence int) bundle.Header {
	return bundle.Header{Cluster: p.Cluster.Name, Node: n.Name, Ceremony: p.Ceremony, Transcript: p.Transcript, Sequence: sequence}
}

// Bundle issues, builds and signs a node's bundle, in the format that one has today.
func (p *PKI) Bundle(t testing.TB, n *Node, sequence int) *bundle.Bundle {
	t.Helper()
	return p.BundleOf(t, n, sequence, 0)
}

// BundleOf is Bundle in a given format; zero: the one that it has today.
func (p *PKI) BundleOf(t testing.TB, n *Node, sequence, format int) *bundle.Bundle {
	t.Helper()
	h := p.Header(n, sequence)
	h.Format = format
	b, err := bundle.Build(h, p.Parts(t, n))
	if err != nil {
		t.Fatal(err)
	}
	p.Seal(t, b)
	return b
}

// Seal signs a bundle's SHA256SUMS as it is.
func (p *PKI) Seal(t testing.TB, b *bundle.Bundle) {
	t.Helper()
	digest := sha256.Sum256(b.Sums)
	sig, err := p.Release.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	b.Signature = sig
}

// Successor makes a later generation of a family, certified by a root; of the
// root itself when that is the family.
func (p *PKI) Successor(t testing.TB, family kubepki.Authority, root Authority) Authority {
	t.Helper()
	for _, spec := range kubepki.Authorities(p.Cluster) {
		if spec.Authority != family {
			continue
		}
		key, template := Key(t), AuthorityTemplate(spec, p.Cluster.Name)
		template.Subject.CommonName += " 2"
		if family == kubepki.Root {
			root = Authority{template, key}
		}
		return Authority{Sign(t, template, root.Certificate, key.Public(), root.Key), key}
	}
	t.Fatalf("no family %s", family)
	return Authority{}
}

// BundleWith issues, builds and signs a node's bundle whose trust files hold
// more than the authorities that issue.
func (p *PKI) BundleWith(t testing.TB, n *Node, sequence int, trusted map[kubepki.Authority][]*x509.Certificate) *bundle.Bundle {
	t.Helper()
	parts := p.Parts(t, n)
	parts.Trusted = trusted
	b, err := bundle.Build(p.Header(n, sequence), parts)
	if err != nil {
		t.Fatal(err)
	}
	p.Seal(t, b)
	return b
}

// BundleChanged issues, builds and signs a node's bundle of parts that are changed.
func (p *PKI) BundleChanged(t testing.TB, n *Node, sequence int, change func(*bundle.Parts)) *bundle.Bundle {
	t.Helper()
	parts := p.Parts(t, n)
	change(&parts)
	b, err := bundle.Build(p.Header(n, sequence), parts)
	if err != nil {
		t.Fatal(err)
	}
	p.Seal(t, b)
	return b
}
