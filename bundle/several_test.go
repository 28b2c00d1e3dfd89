package bundle_test

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"officiant/bundle"
	"officiant/bundle/bundletest"
	"officiant/bundle/fingerprint"
	"officiant/bundle/kubeconfig"
	"officiant/bundle/kubepki"
)

type trusted = map[kubepki.Authority][]*x509.Certificate

// pemsOf reads the certificates of a file, or of a kubeconfig's CA data.
func pemsOf(t *testing.T, b *bundle.Bundle, path string) []*x509.Certificate {
	t.Helper()
	data := b.Files[path]
	if strings.HasSuffix(path, ".conf") {
		c, err := kubeconfig.Parse(path, data)
		if err != nil {
			t.Fatal(err)
		}
		data = c.CA
	}
	var list []*x509.Certificate
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			return list
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, c)
	}
}

func wantFile(t *testing.T, b *bundle.Bundle, path string, want ...*x509.Certificate) {
	t.Helper()
	if got := pemsOf(t, b, path); !slices.EqualFunc(got, want, (*x509.Certificate).Equal) {
		t.Errorf("%s holds %d certificates, or others in another order; want %d", path, len(got), len(want))
	}
}

// TestSeveralAuthorities goes through the stages of a rollover: which file holds
// what in which order, and that leaves of both generations are believed, by Go's
// verifier and by openssl, until the old one is gone.
func TestSeveralAuthorities(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	n := p.NewNode(t, bundletest.First())
	old := p.Authorities[kubepki.KubernetesAuthority]
	next := p.Successor(t, kubepki.KubernetesAuthority, p.Root)
	etcd := p.Authorities[kubepki.EtcdAuthority].Certificate
	stage := func(issuing bundletest.Authority, beside ...*x509.Certificate) *bundle.Bundle {
		p.Authorities[kubepki.KubernetesAuthority] = issuing
		b := p.BundleWith(t, n, 1, trusted{kubepki.KubernetesAuthority: beside})
		if f := b.Check(bundle.CheckOptions{Now: bundletest.Now}); len(f) > 0 {
			t.Fatalf("findings: %v", f)
		}
		want := append([]*x509.Certificate{issuing.Certificate}, beside...)
		for _, path := range []string{"pki/ca.crt", "admin.conf", "kubelet.conf", "scheduler.conf"} {
			wantFile(t, b, path, want...)
		}
		wantFile(t, b, "pki/server-ca.crt", append(want, p.Root.Certificate)...)
		wantFile(t, b, "pki/etcd/ca.crt", etcd)
		wantFile(t, b, bundle.RootFile, p.Root.Certificate)
		leaf := pemsOf(t, b, "pki/apiserver.crt")
		if len(leaf) != 2 || !leaf[1].Equal(issuing.Certificate) {
			t.Error("apiserver.crt does not hold the leaf and who issued it")
		}
		return b
	}
	first, trust := stage(old), stage(old, next.Certificate)
	issue, drop := stage(next, old.Certificate), stage(next)
	for name, b := range map[string]*bundle.Bundle{"before": first, "trust": trust, "issue": issue, "drop": drop} {
		kubeadmTakes(t, name, b)
	}
	oldLeaf, newLeaf := "pki/apiserver-kubelet-client.crt of the old", "of the new"
	leaves := map[string]*bundle.Bundle{oldLeaf: first, newLeaf: drop}
	for _, c := range []struct {
		name string
		at   *bundle.Bundle
		old  bool
		new  bool
	}{{"before", first, true, false}, {"trust", trust, true, true}, {"issue", issue, true, true}, {"drop", drop, false, true}} {
		for who, from := range leaves {
			want := c.new
			if who == oldLeaf {
				want = c.old
			}
			leaf := pemsOf(t, from, "pki/apiserver-kubelet-client.crt")[0]
			pool := x509.NewCertPool()
			pool.AppendCertsFromPEM(c.at.Files["pki/ca.crt"])
			_, err := leaf.Verify(x509.VerifyOptions{Roots: pool, CurrentTime: bundletest.Now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
			if (err == nil) != want {
				t.Errorf("%s: a leaf %s: Go says %v", c.name, who, err)
			}
			// Who trusts the root above them takes both, at any time.
			if !opensslVerifies(t, c.at.Files["pki/server-ca.crt"], from.Files["pki/apiserver.crt"]) {
				t.Errorf("%s: the API server %s: openssl does not accept it", c.name, who)
			}
		}
	}
}

// kubeadmTakes asks what kubeadm of 1.31 and later asks in external CA mode: it
// reads the first certificate of ca.crt, verifies leaves with it, and wants a
// kubeconfig's first to be one of ca.crt's.
func kubeadmTakes(t *testing.T, stage string, b *bundle.Bundle) {
	t.Helper()
	anchors := pemsOf(t, b, "pki/ca.crt")
	pool := x509.NewCertPool()
	pool.AddCert(anchors[0])
	for _, path := range []string{"pki/apiserver.crt", "pki/apiserver-kubelet-client.crt"} {
		file := pemsOf(t, b, path)
		between := x509.NewCertPool()
		for _, c := range file[1:] {
			between.AddCert(c)
		}
		if _, err := file[0].Verify(x509.VerifyOptions{Roots: pool, Intermediates: between, CurrentTime: bundletest.Now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err != nil {
			t.Errorf("%s: %s: %v", stage, path, err)
		}
	}
	for _, path := range []string{"admin.conf", "kubelet.conf", "controller-manager.conf"} {
		if config := pemsOf(t, b, path); !slices.ContainsFunc(anchors, config[0].Equal) {
			t.Errorf("%s: %s begins with an authority that is not in ca.crt", stage, path)
		}
	}
}

// opensslVerifies is what a client that is not written in Go does with
// kube-root-ca.crt and what an API server presents.
func opensslVerifies(t *testing.T, anchors, presented []byte) bool {
	t.Helper()
	dir := t.TempDir()
	ca, leaf := filepath.Join(dir, "ca.crt"), filepath.Join(dir, "leaf.crt")
	bundletest.WriteFile(t, ca, anchors)
	bundletest.WriteFile(t, leaf, presented)
	at := bundletest.Now.Unix()
	out, err := exec.Command(tool(t, "openssl"), "verify", "-attime", strconv.FormatInt(at, 10), "-CAfile", ca, "-untrusted", leaf, leaf).CombinedOutput()
	if err != nil && !strings.Contains(string(out), "error") {
		t.Errorf("openssl: %s", out)
	}
	return err == nil
}

// TestSeveralRoots: a new root has authorities of its own; each file has the
// roots it needs, the pinned one may be any of them.
func TestSeveralRoots(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	n := p.NewNode(t, bundletest.First())
	oldRoot, root := p.Root, p.Successor(t, kubepki.Root, bundletest.Authority{})
	beside, olds := trusted{kubepki.Root: {root.Certificate}}, p.Authorities
	p2 := &bundletest.PKI{}
	*p2 = *p
	p2.Root, p2.Authorities = root, map[kubepki.Authority]bundletest.Authority{}
	for family := range p.Authorities {
		a := p.Successor(t, family, root)
		beside[family] = []*x509.Certificate{a.Certificate}
		p2.Authorities[family] = a
	}
	before := p.BundleWith(t, n, 1, nil)
	trust := p.BundleWith(t, n, 2, beside)
	kube, kube2 := olds[kubepki.KubernetesAuthority].Certificate, p2.Authorities[kubepki.KubernetesAuthority].Certificate
	wantFile(t, trust, bundle.RootFile, oldRoot.Certificate, root.Certificate)
	wantFile(t, trust, "pki/server-ca.crt", kube, kube2, oldRoot.Certificate, root.Certificate)
	for family, a := range olds {
		beside[family] = []*x509.Certificate{a.Certificate}
	}
	beside[kubepki.Root] = []*x509.Certificate{oldRoot.Certificate}
	issue := p2.BundleWith(t, n, 3, beside)
	wantFile(t, issue, bundle.RootFile, root.Certificate, oldRoot.Certificate)
	wantFile(t, issue, "pki/ca.crt", kube2, kube)
	drop := p2.BundleWith(t, n, 4, nil)
	of := fingerprint.Of
	for name, c := range map[string]struct {
		b        *bundle.Bundle
		old, new bool // a pin on it holds, and openssl takes an API server below it
	}{"before": {before, true, false}, "trust": {trust, true, true}, "issue": {issue, true, true}, "drop": {drop, false, true}} {
		for pin, want := range map[fingerprint.SHA256]bool{of(oldRoot.Certificate.Raw): c.old, of(root.Certificate.Raw): c.new, {}: false} {
			f := c.b.Check(bundle.CheckOptions{Now: bundletest.Now, Root: &pin})
			if (len(f) == 0) != want {
				t.Errorf("%s, pinned %s: %v", name, pin, f)
			}
		}
		for server, want := range map[*bundle.Bundle]bool{before: c.old, drop: c.new} {
			if got := opensslVerifies(t, c.b.Files["pki/server-ca.crt"], server.Files["pki/apiserver.crt"]); got != want {
				t.Errorf("%s: openssl takes the API server of sequence %d: %t", name, server.Sequence, got)
			}
		}
	}
}

// TestBesideMayEnd: what issues nothing does not end the bundle.
func TestBesideMayEnd(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	n := p.NewNode(t, bundletest.Worker())
	old := p.Authorities[kubepki.KubernetesAuthority]
	ended := *old.Certificate
	ended.NotBefore, ended.NotAfter = bundletest.Now.AddDate(-2, 0, 0), bundletest.Now.AddDate(-1, 0, 0)
	ended.SerialNumber = bundletest.Serial()
	cert := bundletest.Sign(t, &ended, p.Root.Certificate, old.Key.Public(), p.Root.Key)
	p.Authorities[kubepki.KubernetesAuthority] = p.Successor(t, kubepki.KubernetesAuthority, p.Root)
	b := p.BundleWith(t, n, 1, trusted{kubepki.KubernetesAuthority: {cert}})
	if f := b.Check(bundle.CheckOptions{Now: bundletest.Now}); len(f) > 0 {
		t.Error(f)
	}
	if b.NotAfter.Before(bundletest.Now) {
		t.Errorf("not-after is %s", b.NotAfter)
	}
}

// TestRebuildSeveral: the parts alone say that only format 3 can hold them.
func TestRebuildSeveral(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	n := p.NewNode(t, bundletest.First())
	parts := p.Parts(t, n)
	parts.Trusted = trusted{kubepki.EtcdAuthority: {p.Successor(t, kubepki.EtcdAuthority, p.Root).Certificate}}
	signed, err := bundle.Build(p.Header(n, 1), parts)
	if err != nil {
		t.Fatal(err)
	}
	b, err := bundle.Rebuild(p.Header(n, 1), parts, fingerprint.Of(signed.Sums))
	if err != nil || !maps.EqualFunc(b.Files, signed.Files, bytes.Equal) {
		t.Errorf("rebuilt: %v", err)
	}
	if _, err := bundle.Rebuild(p.Header(n, 1), parts, fingerprint.SHA256{}); err == nil || !strings.Contains(err.Error(), "other sums") {
		t.Errorf("other sums: %v", err)
	}
	h := p.Header(n, 1)
	h.Format = 2
	if _, err := bundle.Build(h, parts); err == nil || !strings.Contains(err.Error(), "format 2 holds one authority of a family") {
		t.Errorf("format 2: %v", err)
	}
}

func TestBadSeveral(t *testing.T) {
	ca, etcd := kubepki.KubernetesAuthority, kubepki.EtcdAuthority
	beside := func(list func(w *world) trusted) func(*world) {
		return func(w *world) { w.parts.Trusted = list(w) }
	}
	good := beside(func(w *world) trusted { return trusted{ca: {w.Successor(w.t, ca, w.Root).Certificate}} })
	both := func(first, then func(*world)) func(*world) { return func(w *world) { first(w); then(w) } }
	named := func(change func(f *bundle.Facts)) func(*world, *bundle.Bundle) {
		return func(w *world, b *bundle.Bundle) {
			f, err := b.Facts()
			if err != nil {
				w.t.Fatal(err)
			}
			change(f)
			data, err := json.MarshalIndent(f, "", "  ")
			if err != nil {
				w.t.Fatal(err)
			}
			b.Files[bundle.FactsFile] = append(data, '\n')
		}
	}
	const file = "pki/ca.crt"
	for name, f := range map[string]fault{
		"the root": {file: file, problem: "holds the root or another self-signed", parts: beside(func(w *world) trusted { return trusted{ca: {w.Root.Certificate}} })},
		"another family's": {file: "pki/etcd/ca.crt", problem: "authorities etcd and kubernetes have the same key", parts: beside(func(w *world) trusted {
			return trusted{ca: {w.Authorities[etcd].Certificate}}
		})},
		"one that is to issue elsewhere": {file: "pki/etcd/ca.crt", problem: "authorities etcd and kubernetes have the same key", parts: beside(func(w *world) trusted {
			c := w.Successor(w.t, ca, w.Root).Certificate
			return trusted{ca: {c}, etcd: {c}}
		})},
		"front-proxy beside it": {file: file, problem: "extended key usage is clientAuth", parts: beside(func(w *world) trusted {
			return trusted{ca: {w.Successor(w.t, kubepki.FrontProxyAuthority, w.Root).Certificate}}
		})},
		"twice": {file: file, problem: "two certificates of one key", parts: beside(func(w *world) trusted { return trusted{ca: {w.Authorities[ca].Certificate}} })},
		"another root's": {file: file, problem: "was issued by", parts: beside(func(w *world) trusted {
			return trusted{ca: {w.Successor(w.t, ca, w.Successor(w.t, kubepki.Root, bundletest.Authority{})).Certificate}}
		})},
		"a root that is none": {file: bundle.RootFile, problem: "is not self-signed", parts: beside(func(w *world) trusted {
			return trusted{kubepki.Root: {w.Successor(w.t, ca, w.Root).Certificate}}
		})},
		"not named":     {file: file, problem: "holds 2 certificates", parts: good, files: named(func(f *bundle.Facts) { f.Trusted = nil })},
		"another named": {file: file, problem: "holds 2 certificates", parts: good, files: named(func(f *bundle.Facts) { f.Trusted[ca][0][0] ^= 1 })},
		"named, not there": {file: file, problem: "holds 1 certificates", files: named(func(f *bundle.Facts) {
			f.Trusted = map[kubepki.Authority][]fingerprint.SHA256{ca: {{1}}}
		})},
		"kubeconfig without it": {file: "kubelet.conf", problem: "certificate-authority-data holds 1 certificates, not what pki/ca.crt holds", parts: good,
			files: func(w *world, b *bundle.Bundle) {
				c, err := kubeconfig.Parse("kubelet.conf", b.Files["kubelet.conf"])
				if err != nil {
					w.t.Fatal(err)
				}
				c.CA = bundletest.Certificates(w.Authorities[ca].Certificate.Raw)
				b.Files["kubelet.conf"] = c.Render()
			}},
		"server-ca.crt without it": {file: "pki/server-ca.crt", problem: "holds 2 certificates", parts: good, files: func(w *world, b *bundle.Bundle) {
			b.Files["pki/server-ca.crt"] = bundletest.Certificates(w.Authorities[ca].Certificate.Raw, w.Root.Certificate.Raw)
		}},
		"server-ca.crt in another order": {file: "pki/server-ca.crt", problem: "does not hold the authorities of pki/ca.crt", parts: good, files: func(w *world, b *bundle.Bundle) {
			b.Files["pki/server-ca.crt"] = bundletest.Certificates(w.Authorities[ca].Certificate.Raw, w.Root.Certificate.Raw, w.parts.Trusted[ca][0].Raw)
		}},
		"kubeadm 1.30": {file: "admin.conf", problem: "which kubeadm of v1.30.14 does not take", parts: both(good, func(w *world) {
			w.parts.Cluster.KubernetesVersion = kubepki.Version{Major: 1, Minor: 30, Patch: 14}
		})},
		"an older format": {file: bundle.FactsFile, problem: "format 2 cannot hold", parts: good, files: func(_ *world, b *bundle.Bundle) { b.Format = 2 }},
	} {
		t.Run(name, f.run)
	}
}
