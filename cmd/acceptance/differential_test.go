package main

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDifferential gives the corpus to kubeadm and to officiant-node.
func TestDifferential(t *testing.T) {
	top, err := filepath.Abs(filepath.Join("..", "..", "build"))
	if err != nil {
		t.Fatal(err)
	}
	k := kubeadm{path: filepath.Join(top, "acceptance", "bin", "kubeadm-"+kubernetesVersion)}
	officiant, node := filepath.Join(top, "officiant"), filepath.Join(top, "officiant-node")
	for _, program := range []string{k.path, officiant, node} {
		if _, err := os.Stat(program); err != nil {
			t.Skip("not built: make build and make acceptance do")
		}
	}
	checks, err := differential(officiant, node, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if len(checks) < 97 {
		t.Errorf("the corpus has %d configurations", len(checks))
	}
	for _, c := range checks {
		t.Run(strings.TrimPrefix(c.name, readAs), func(t *testing.T) {
			if err := c.run(t.Context(), k, ""); err != nil {
				t.Error(err)
			}
		})
	}
	t.Logf("%d configurations", len(checks))
}

// TestSame shows that a difference is found.
func TestSame(t *testing.T) {
	csr := func(cn string, names ...string) map[string]*x509.CertificateRequest {
		return map[string]*x509.CertificateRequest{"apiserver": {Subject: pkix.Name{CommonName: cn}, DNSNames: names}}
	}
	if err := same(csr("a", "x", "y", "10.0.0.1"), csr("a", "y", "x")); err != nil {
		t.Error(err)
	}
	for want, got := range map[string]map[string]*x509.CertificateRequest{
		"subject":           csr("b", "x"),
		"DNS names":         csr("a", "x", "z"),
		"requests, officia": {},
	} {
		if err := same(csr("a", "x"), got); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
}
