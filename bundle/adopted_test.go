package bundle_test

import (
	"crypto/x509"
	"maps"
	"slices"
	"strings"
	"testing"

	"officiant/bundle"
	"officiant/bundle/bundletest"
	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
)

// TestAdopted builds the bundles of a cluster that is adopted: what is in the
// trust files, and that leaves of both hierarchies are believed until the last
// stage, and then those of the new one alone.
func TestAdopted(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	former := p.Former(t)
	for _, node := range []kubepki.Node{bundletest.First(), bundletest.Worker(), bundletest.EtcdOnly()} {
		n := p.NewNode(t, node)
		for stage, parts := range map[string]bundle.Parts{
			"trust": p.TrustParts(t, n, former), "issue": p.IssueParts(t, n, former), "drop": p.Parts(t, n),
		} {
			b := p.BundleOfParts(t, n, 1, parts)
			if f := b.Check(bundle.CheckOptions{Now: bundletest.Now}); len(f) > 0 {
				t.Errorf("%s of %s: %v", stage, node.Name, f)
			}
			for family, file := range map[kubepki.Authority]string{
				kubepki.KubernetesAuthority: "pki/ca.crt", kubepki.EtcdAuthority: "pki/etcd/ca.crt", kubepki.FrontProxyAuthority: "pki/front-proxy-ca.crt",
			} {
				if b.Files[file] == nil {
					continue
				}
				now, old := p.Authorities[family].Certificate, former[family].Certificate
				want := map[string][]*x509.Certificate{"trust": {old, now}, "issue": {now, old}, "drop": {now}}[stage]
				wantFile(t, b, file, want...)
				// The client of the other hierarchy, and of this one.
				believed(t, stage+", the former's", pemsOf(t, b, file), p.FormerLeaves(t, n, former), p, n, family, stage != "drop")
				believed(t, stage+", the new one's", pemsOf(t, b, file), p.Parts(t, n).Leaves, p, n, family, true)
			}
		}
	}
	n := p.NewNode(t, bundletest.First())
	b := p.BundleOfParts(t, n, 1, p.TrustParts(t, n, former))
	wantFile(t, b, "pki/server-ca.crt", former[kubepki.KubernetesAuthority].Certificate, p.Authorities[kubepki.KubernetesAuthority].Certificate, p.Root.Certificate)
	if leaf := pemsOf(t, b, "pki/apiserver.crt"); len(leaf) != 1 {
		t.Errorf("a carried certificate's file holds %d certificates, not the one kubeadm wrote", len(leaf))
	}
	if text := string(b.Files[bundle.ReadmeFile]); strings.Contains(text, "kubeadm init\n") || !strings.Contains(text, "--cluster-signing-cert-file=\n") {
		t.Errorf("README.txt is not about a running cluster:\n%s", text)
	}
}

// believed verifies clients of a family as the API server does, with the trust
// file as its roots.
func believed(t *testing.T, what string, anchors []*x509.Certificate, leaves map[string]*x509.Certificate, p *bundletest.PKI, n *bundletest.Node, family kubepki.Authority, want bool) {
	t.Helper()
	pool := x509.NewCertPool()
	for _, c := range anchors {
		pool.AddCert(c)
	}
	for _, l := range p.Leaves(t, n.Node) {
		if l.Authority != family {
			continue
		}
		_, err := leaves[l.Name].Verify(x509.VerifyOptions{Roots: pool, CurrentTime: bundletest.Now, KeyUsages: l.ExtKeyUsage})
		if (err == nil) != want {
			t.Errorf("%s: %s: %v", what, l.Name, err)
		}
	}
}

// Each gate on what is adopted fails once.
func TestAdoptedRefused(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	n := p.NewNode(t, bundletest.First())
	former, other := p.Former(t), p.Former(t)
	kubernetes := kubepki.KubernetesAuthority
	for name, tt := range map[string]struct {
		change func(*bundle.Parts)
		file   string
		why    string
	}{
		"not declared": {func(p *bundle.Parts) { delete(p.Adopted, kubernetes) }, "pki/ca.crt", "self-signed"},
		"another one declared": {func(p *bundle.Parts) { p.Adopted[kubernetes] = other[kubernetes].Certificate },
			bundle.FactsFile, "adopts an authority that pki/ca.crt does not hold"},
		"one for two families": {func(p *bundle.Parts) {
			p.Trusted[kubernetes] = []*x509.Certificate{former[kubepki.EtcdAuthority].Certificate}
			p.Adopted[kubernetes] = former[kubepki.EtcdAuthority].Certificate
		}, "pki/etcd/ca.crt", "have the same key"},
		"an intermediate": {func(q *bundle.Parts) {
			below := p.Successor(t, kubernetes, p.Root).Certificate
			q.Trusted[kubernetes], q.Adopted[kubernetes] = []*x509.Certificate{below}, below
		}, "pki/ca.crt", "adopted, but not self-signed"},
		"a leaf": {func(q *bundle.Parts) {
			key := bundletest.Key(t)
			template := bundletest.LeafTemplate(p.Leaves(t, n.Node)[0])
			leaf := bundletest.Sign(t, template, template, key.Public(), key)
			q.Trusted[kubernetes], q.Adopted[kubernetes] = []*x509.Certificate{leaf}, leaf
		}, "pki/ca.crt", "not a CA certificate"},
	} {
		parts := p.IssueParts(t, n, former)
		parts.Adopted, parts.Trusted = maps.Clone(parts.Adopted), maps.Clone(parts.Trusted)
		tt.change(&parts)
		wantFinding(t, name, p.BundleOfParts(t, n, 1, parts), tt.file, tt.why)
	}
	for name, tt := range map[string]struct {
		leaf   string
		change func(*x509.Certificate)
		issuer bundletest.Authority
		why    string
	}{
		"a leaf of another authority": {"apiserver", nil, other[kubernetes], "signature is not authority kubernetes's"},
		"another node's kubelet":      {"kubelet.conf", func(c *x509.Certificate) { c.Subject.CommonName = "system:node:cp-2" }, former[kubernetes], `CN is "system:node:cp-2"`},
		"another node's server": {"etcd/server", func(c *x509.Certificate) { c.DNSNames, c.IPAddresses = []string{"cp-2"}, nil },
			former[kubepki.EtcdAuthority], "is neither for cp-1 nor for 10.0.0.11"},
		"an expired leaf": {"apiserver", func(c *x509.Certificate) { c.NotAfter = bundletest.Now.AddDate(0, 0, -1) }, former[kubernetes], "expired"},
		"an authority":    {"apiserver", func(c *x509.Certificate) { c.IsCA = true }, former[kubernetes], "is a CA certificate"},
		"no usage": {"apiserver", func(c *x509.Certificate) { c.ExtKeyUsage = c.ExtKeyUsage[:0] },
			former[kubernetes], "its extended key usage has no serverAuth"},
	} {
		parts := p.TrustParts(t, n, former)
		leaves := p.Leaves(t, n.Node)
		l := leaves[slices.IndexFunc(leaves, func(l kubepki.Leaf) bool { return l.Name == tt.leaf })]
		template := bundletest.LeafTemplate(l)
		if tt.change != nil {
			tt.change(template)
		}
		parts.Leaves[l.Name] = bundletest.Sign(t, template, tt.issuer.Certificate, n.Keys[l.Name].Public(), tt.issuer.Key)
		wantFinding(t, name, p.BundleOfParts(t, n, 1, parts), l.File, tt.why)
	}
	parts := p.IssueParts(t, n, former)
	if _, err := bundle.Build(bundle.Header{Format: 2, Cluster: "demo", Node: "cp-1", Sequence: 1}, parts); err == nil {
		t.Error("format 2 holds an adopted authority")
	}
	facts, err := p.BundleOfParts(t, n, 1, parts).Facts()
	if err != nil || facts.Adopted[kubernetes] != fingerprint.Of(former[kubernetes].Certificate.Raw) {
		t.Errorf("node.json: %v %v", facts, err)
	}
}

func wantFinding(t *testing.T, name string, b *bundle.Bundle, file, why string) {
	t.Helper()
	found := b.Check(bundle.CheckOptions{Now: bundletest.Now})
	if !slices.ContainsFunc(found, func(f bundle.Finding) bool { return f.File == file && strings.Contains(f.Problem, why) }) {
		t.Errorf("%s: no finding on %s with %q: %v", name, file, why, found)
	}
}
