package bundle_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"slices"
	"strings"
	"testing"

	"officiant/bundle"
	"officiant/bundle/bundletest"
	"officiant/bundle/kubepki"
)

// corporate is a PKI whose root is a company's: without a path length, in its own
// name, and with a CA between it and the intermediates.
type corporate struct {
	*bundletest.PKI
	issuing bundletest.Authority
}

func newCorporate(t *testing.T, root, issuing func(*x509.Certificate)) *corporate {
	t.Helper()
	p := &corporate{PKI: bundletest.New(t, bundletest.Cluster())}
	ca := func(name string, parent bundletest.Authority, change func(*x509.Certificate)) bundletest.Authority {
		template := bundletest.AuthorityTemplate(kubepki.Authorities(p.Cluster)[0], "Corp")
		template.Subject = pkix.Name{Country: []string{"DE"}, Organization: []string{"Corp"}, CommonName: name}
		template.MaxPathLen = -1
		change(template)
		key := bundletest.Key(t)
		if parent.Certificate == nil {
			parent = bundletest.Authority{Certificate: template, Key: key}
		}
		return bundletest.Authority{Certificate: bundletest.Sign(t, template, parent.Certificate, key.Public(), parent.Key), Key: key}
	}
	p.Root = ca("Corp Root CA", bundletest.Authority{}, root)
	p.issuing = ca("Corp Issuing CA", p.Root, issuing)
	for _, spec := range kubepki.Authorities(p.Cluster)[1:] {
		template := bundletest.AuthorityTemplate(spec, p.Cluster.Name)
		template.KeyUsage |= x509.KeyUsageDigitalSignature
		key := bundletest.Key(t)
		p.Authorities[spec.Authority] = bundletest.Authority{Certificate: bundletest.Sign(t, template, p.issuing.Certificate, key.Public(), p.issuing.Key), Key: key}
	}
	return p
}

func (p *corporate) bundle(t *testing.T, n *bundletest.Node, trusted trusted) *bundle.Bundle {
	t.Helper()
	parts := p.Parts(t, n)
	parts.External, parts.Issuers, parts.Trusted = true, []*x509.Certificate{p.issuing.Certificate}, trusted
	b, err := bundle.Build(p.Header(n, 1), parts)
	if err != nil {
		t.Fatal(err)
	}
	p.Seal(t, b)
	return b
}

func asIs(*x509.Certificate) {}

// TestExternalRoot shows which file holds what below a company's root, on a node
// of each kind, and during a rollover.
func TestExternalRoot(t *testing.T) {
	p := newCorporate(t, asIs, asIs)
	root, issuing := p.Root.Certificate, p.issuing.Certificate
	for _, node := range nodes() {
		b := p.bundle(t, p.NewNode(t, node), nil)
		if f := b.Check(bundle.CheckOptions{Now: bundletest.Now}); len(f) > 0 {
			t.Fatalf("%s: findings: %v", node.Name, f)
		}
		wantFile(t, b, bundle.RootFile, root)
		wantFile(t, b, bundle.IssuersFile, issuing)
	}
	b := p.bundle(t, p.NewNode(t, bundletest.First()), nil)
	kubernetes := p.Authorities[kubepki.KubernetesAuthority]
	wantFile(t, b, "pki/ca.crt", kubernetes.Certificate)
	wantFile(t, b, "admin.conf", kubernetes.Certificate)
	wantFile(t, b, "pki/server-ca.crt", kubernetes.Certificate, issuing, root)
	if leaf := pemsOf(t, b, "pki/apiserver.crt"); len(leaf) != 2 || !leaf[1].Equal(kubernetes.Certificate) {
		t.Error("apiserver.crt is not the leaf and its intermediate")
	}
	next := p.Successor(t, kubepki.KubernetesAuthority, p.issuing)
	b = p.bundle(t, p.NewNode(t, bundletest.First()), trusted{kubepki.KubernetesAuthority: {next.Certificate}})
	if f := b.Check(bundle.CheckOptions{Now: bundletest.Now}); len(f) > 0 {
		t.Fatalf("with a successor: %v", f)
	}
	wantFile(t, b, "pki/server-ca.crt", kubernetes.Certificate, next.Certificate, issuing, root)
}

// TestExternalRootRefused spoils such bundles, and the CAs above them.
func TestExternalRootRefused(t *testing.T) {
	p := newCorporate(t, asIs, asIs)
	n := p.NewNode(t, bundletest.First())
	good := p.bundle(t, n, nil)
	for name, c := range map[string]struct {
		path string
		data func() []byte
		want string
	}{
		"no CA between":             {bundle.IssuersFile, func() []byte { return nil }, "neither the root nor a CA that came with it"},
		"the root among them":       {bundle.IssuersFile, func() []byte { return slices.Concat(good.Files[bundle.IssuersFile], good.Files[bundle.RootFile]) }, "holds a self-signed certificate"},
		"a CA nobody needs":         {bundle.IssuersFile, func() []byte { return slices.Concat(good.Files[bundle.IssuersFile], good.Files["pki/etcd/ca.crt"]) }, "and them alone"},
		"the root in ca.crt":        {"pki/ca.crt", func() []byte { return slices.Concat(good.Files["pki/ca.crt"], good.Files[bundle.RootFile]) }, "leaves of every authority below it could log in"},
		"a CA between in ca.crt":    {"pki/ca.crt", func() []byte { return slices.Concat(good.Files["pki/ca.crt"], good.Files[bundle.IssuersFile]) }, "holds 2 certificates"},
		"a CA between as ca.crt":    {"pki/etcd/ca.crt", func() []byte { return good.Files[bundle.IssuersFile] }, "path length is unlimited, must be 0"},
		"server-ca.crt, no between": {"pki/server-ca.crt", func() []byte { return slices.Concat(good.Files["pki/ca.crt"], good.Files[bundle.RootFile]) }, "the CAs between them and the root"},
		"not said": {bundle.FactsFile, func() []byte {
			return []byte(strings.Replace(string(good.Files[bundle.FactsFile]), `"externalRoot": true`, `"externalRoot": false`, 1))
		}, "path length is unlimited, must be 1"},
	} {
		t.Run(name, func(t *testing.T) {
			b := good.With(map[string][]byte{c.path: c.data()})
			wantProblem(t, b, c.want)
		})
	}
	for name, c := range map[string]struct {
		root, issuing func(*x509.Certificate)
		want          string
	}{
		"a root for leaves alone":  {func(c *x509.Certificate) { c.MaxPathLen, c.MaxPathLenZero = 0, true }, asIs, "path length 0"},
		"a root for one CA":        {func(c *x509.Certificate) { c.MaxPathLen = 1 }, asIs, "path length 1, and 2 CAs stand below it"},
		"names of a company alone": {asIs, func(c *x509.Certificate) { c.PermittedDNSDomains = []string{"corp.example"} }, "has name constraints"},
		"servers alone":            {asIs, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }, "leaves out serverAuth or clientAuth"},
		"no certificates": {asIs, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCRLSign },
			"whose key usage does not allow"},
		"a short life": {asIs, func(c *x509.Certificate) { c.NotAfter = bundletest.Now.AddDate(1, 1, 0) },
			"its issuer \"CN=Corp Issuing CA,O=Corp,C=DE\" only until"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newCorporate(t, c.root, c.issuing)
			parts := p.Parts(t, n)
			parts.External, parts.Issuers = true, []*x509.Certificate{p.issuing.Certificate}
			b, err := bundle.Build(p.Header(n, 1), parts)
			if err != nil {
				if !strings.Contains(err.Error(), c.want) {
					t.Fatal(err)
				}
				return
			}
			wantProblem(t, b, c.want)
		})
	}
	for format := bundle.OldestFormat; format < 3; format++ {
		parts, h := p.Parts(t, n), p.Header(n, 1)
		parts.External, h.Format = true, format
		if _, err := bundle.Build(h, parts); err == nil {
			t.Errorf("format %d holds an external root", format)
		}
	}
}

func wantProblem(t *testing.T, b *bundle.Bundle, want string) {
	t.Helper()
	findings := b.Check(bundle.CheckOptions{Now: bundletest.Now})
	if !slices.ContainsFunc(findings, func(f bundle.Finding) bool { return strings.Contains(f.Problem, want) }) {
		t.Errorf("no finding has %q:\n%v", want, findings)
	}
}
