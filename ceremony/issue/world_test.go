package issue_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"officiant/bundle/kubepki"
	"officiant/ceremony/issue"
	"officiant/ceremony/lint"
	"officiant/signer"
)

var start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// device is a key in memory. sign, when set, answers in its place.
type device struct {
	crypto.Signer
	label string
	asked atomic.Int64
	sign  func(ctx context.Context, digest []byte, opts crypto.SignerOpts) ([]byte, error)
}

func (d *device) SignContext(ctx context.Context, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	d.asked.Add(1)
	if d.sign != nil {
		return d.sign(ctx, digest, opts)
	}
	return d.Signer.Sign(rand.Reader, digest, opts)
}

func (d *device) Info() signer.Info { return signer.Info{Label: d.label} }

func newDevice(t testing.TB, a signer.Algorithm) *device {
	t.Helper()
	var k crypto.Signer
	var err error
	switch a {
	case signer.ECDSAP256:
		k, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case signer.ECDSAP384:
		k, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case signer.ECDSAP521:
		k, err = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	default:
		k, err = rsa.GenerateKey(rand.Reader, 3072)
	}
	if err != nil {
		t.Fatal(err)
	}
	return &device{Signer: k, label: "demo/" + string(a)}
}

var algorithms = map[signer.Algorithm]x509.SignatureAlgorithm{
	signer.ECDSAP256: x509.ECDSAWithSHA256,
	signer.ECDSAP384: x509.ECDSAWithSHA384,
	signer.ECDSAP521: x509.ECDSAWithSHA512,
	signer.RSA3072:   x509.SHA256WithRSA,
}

// world is a root and a kubernetes authority, and leaves to issue below it.
type world struct {
	t             testing.TB
	checker       *issue.Checker
	cluster       kubepki.Cluster
	leaf          kubepki.Leaf
	rootKey, key  *device
	root, issuer  *x509.Certificate
	rootAlgorithm x509.SignatureAlgorithm
	algorithm     x509.SignatureAlgorithm
	subject       crypto.PublicKey
}

func newWorld(t testing.TB, root, intermediate signer.Algorithm) *world {
	t.Helper()
	v, err := kubepki.ParseVersion("v1.37.2")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{
		t: t, checker: issue.NewChecker(rand.Reader), rootKey: newDevice(t, root), key: newDevice(t, intermediate),
		cluster:       kubepki.Cluster{Name: "demo", KubernetesVersion: v, ControlPlaneEndpoint: "api.example:6443"}.Complete(),
		rootAlgorithm: algorithms[root], algorithm: algorithms[intermediate], subject: newDevice(t, signer.ECDSAP256).Public(),
	}
	node := kubepki.Node{Name: "worker-1", Roles: []kubepki.Role{kubepki.Worker}, Address: netip.MustParseAddr("10.1.0.20")}
	leaves, err := kubepki.Leaves(w.cluster, node)
	if err != nil || len(leaves) != 1 {
		t.Fatal(err)
	}
	w.leaf = leaves[0]
	for _, spec := range kubepki.Authorities(w.cluster) {
		switch spec.Authority {
		case kubepki.Root:
			in := lint.Context{Name: "root", Kind: lint.Root, Authority: kubepki.Root, Cluster: w.cluster}
			w.root = w.issue(w.authority(spec, w.rootAlgorithm), nil, w.rootKey, w.rootKey.Public(), in)
		case kubepki.KubernetesAuthority:
			in := lint.Context{Name: "kubernetes", Kind: lint.Intermediate, Authority: kubepki.Root, Subject: spec.Authority, Cluster: w.cluster}
			w.issuer = w.issue(w.authority(spec, w.rootAlgorithm), w.root, w.rootKey, w.key.Public(), in)
		}
	}
	return w
}

func (w *world) authority(spec kubepki.AuthoritySpec, a x509.SignatureAlgorithm) *x509.Certificate {
	id := []byte("20 octets of " + spec.Authority + "          ")[:20]
	return &x509.Certificate{
		SerialNumber: serial(w.t), SignatureAlgorithm: a, Subject: pkix.Name{CommonName: spec.CommonName, Organization: []string{"demo"}},
		NotBefore: start, NotAfter: start.AddDate(10, 0, 0), BasicConstraintsValid: true, IsCA: true,
		MaxPathLen: spec.MaxPathLen, MaxPathLenZero: spec.MaxPathLen == 0, KeyUsage: spec.KeyUsage, ExtKeyUsage: spec.ExtKeyUsage,
		SubjectKeyId: id, AuthorityKeyId: id,
	}
}

func serial(t testing.TB) *big.Int {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 126))
	if err != nil {
		t.Fatal(err)
	}
	return n.SetBit(n, 126, 1)
}

func (w *world) template() *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: serial(w.t), SignatureAlgorithm: w.algorithm,
		Subject:   pkix.Name{CommonName: w.leaf.CommonName, Organization: w.leaf.Organization},
		NotBefore: start, NotAfter: start.AddDate(1, 0, 0), BasicConstraintsValid: true,
		KeyUsage: w.leaf.KeyUsage, ExtKeyUsage: w.leaf.ExtKeyUsage, SubjectKeyId: []byte("20 octets of a leaf."),
	}
}

func (w *world) context() lint.Context {
	return lint.Context{Name: "worker-1/kubelet.conf", Kind: lint.Leaf, Authority: kubepki.KubernetesAuthority, Cluster: w.cluster, Leaf: &w.leaf}
}

// check checks a good leaf.
func (w *world) check() *issue.Checked {
	w.t.Helper()
	c, err := w.checker.Check(w.template(), w.issuer, w.key.Public(), w.subject, w.context())
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func (w *world) issue(template, issuer *x509.Certificate, key *device, subject crypto.PublicKey, in lint.Context) *x509.Certificate {
	w.t.Helper()
	checked, err := w.checker.Check(template, issuer, key.Public(), subject, in)
	if err != nil {
		w.t.Fatal(err)
	}
	der, err := issue.Sign(context.Background(), checked, key)
	if err != nil {
		w.t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}
