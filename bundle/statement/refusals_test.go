package statement_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"officiant/bundle/bundletest"
	"officiant/bundle/install"
	"officiant/bundle/kubepki"
	"officiant/bundle/statement"
)

// said fails unless err says a sentence; with an empty one, unless there is no error.
func said(t *testing.T, what string, err error, sentence string) {
	t.Helper()
	switch {
	case sentence == "" && err != nil:
		t.Errorf("%s: refused with %v", what, err)
	case sentence != "" && (err == nil || !strings.Contains(err.Error(), sentence)):
		t.Errorf("%s: %v, want %q", what, err, sentence)
	}
}

// TestUnsigned: why a node has no status to publish, each reason with a node beside it that
// has one.
func TestUnsigned(t *testing.T) {
	of := func(n *install.Node) error {
		_, _, err := statement.Of(n, statement.Outcome{}, rand.Reader)
		return err
	}
	p := bundletest.New(t, bundletest.Cluster())
	_, whole, _ := installed(t, p, bundletest.Worker())
	said(t, "a worker", of(whole), "")

	const gone = "the bundle in place is damaged or gone: install it again"
	_, n, b := installed(t, p, bundletest.Worker())
	tar := filepath.Join(n.State().Dir(), "installed.tar")
	text, err := os.ReadFile(tar)
	must(t, err)
	must(t, os.WriteFile(tar, text[:len(text)/2], 0o600))
	said(t, "half of a bundle in place", of(n), gone)
	_, err = n.Install(b, install.Options{Release: p.Release.Public()})
	must(t, err)
	said(t, "the same, installed again", of(n), "")

	_, n, _ = installed(t, p, bundletest.Worker())
	must(t, os.Remove(filepath.Join(n.Root, "etc/kubernetes/kubelet.conf")))
	said(t, "a worker without its kubelet.conf", of(n), "kubelet.conf: no certificate or key to sign a status with")
}

// TestSignedForAnother: a status is held against a bundle of its own node.
func TestSignedForAnother(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	who, n, own := installed(t, p, bundletest.Worker())
	_, data, err := statement.Of(n, statement.Outcome{}, rand.Reader)
	must(t, err)
	s, err := statement.Parse(data)
	must(t, err)
	said(t, "its own bundle", s.SignedFor(own), "")
	said(t, "another node's bundle", s.SignedFor(p.Bundle(t, p.NewNode(t, bundletest.EtcdOnly()), 1)),
		`it is of node "worker-1" of cluster "demo"`)
	said(t, "its node's next bundle", s.SignedFor(p.Bundle(t, who, 2)), "it is not signed by the key of kubelet.conf")
}

// TestTooShortToSign: a key that the node uses and cannot sign with is named by its file.
func TestTooShortToSign(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	_, n, b := installed(t, p, bundletest.Worker())
	leaves := p.Leaves(t, bundletest.Worker())
	at := slices.IndexFunc(leaves, func(l kubepki.Leaf) bool { return l.Name == "kubelet.conf" })
	used, err := n.InUse(leaves[at])
	must(t, err)
	status, err := n.Status()
	must(t, err)
	sign := func() error {
		_, err := statement.Make(b, status, statement.Outcome{}, n.Now(), used, rand.Reader)
		return err
	}
	said(t, "its own key", sign(), "")
	// The smallest number that crypto/rsa calls a modulus: shorter than a signature of SHA-256.
	used.Key = &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: big.NewInt(3233), E: 17}, D: big.NewInt(413),
		Primes: []*big.Int{big.NewInt(61), big.NewInt(53)}}
	said(t, "a key of 12 bits", sign(), "kubelet.conf: signing a status: ")
	used.Chain = []*x509.Certificate{}
	said(t, "no certificate", sign(), "kubelet.conf: no certificate or key to sign a status with")
}
