package bundle_test

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"officiant/bundle"
	"officiant/bundle/bundletest"
	"officiant/bundle/durable"
	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		bundletest.WriteFile(t, path, got)
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs:\n--- got\n%s\n--- want\n%s", path, got, want)
	}
}

// nodes are the kinds of nodes whose bundles differ.
func nodes() []kubepki.Node {
	second := bundletest.First()
	second.Name, second.First = "cp-2", false
	return []kubepki.Node{bundletest.First(), second, bundletest.Worker(), bundletest.EtcdOnly()}
}

// TestGoldenLayout holds what each format says. The files of a format never
// change: years later, an audit builds these bundles again.
func TestGoldenLayout(t *testing.T) {
	plain, online := bundletest.New(t, bundletest.Cluster()), bundletest.New(t, bundletest.OnlineCluster())
	for format := bundle.OldestFormat; format <= bundle.NewestFormat; format++ {
		p := plain
		if format == bundletest.Online {
			p = online
		}
		for _, n := range nodes() {
			folder := fmt.Sprintf("format-%d/%s/", format, n.Name)
			t.Run(folder, func(t *testing.T) {
				b := p.BundleOf(t, p.NewNode(t, n), 1, format)
				if f := b.Check(bundle.CheckOptions{Now: bundletest.Now}); len(f) > 0 {
					t.Errorf("findings in a good bundle: %v", f)
				}
				golden(t, folder+"layout.txt", []byte(strings.Join(slices.Sorted(maps.Keys(b.Files)), "\n")+"\n"))
				for path, data := range b.Files {
					if !strings.HasPrefix(path, "pki/") && !strings.HasSuffix(path, ".conf") && path != bundle.RootFile {
						golden(t, folder+filepath.Base(path), data)
					}
				}
			})
		}
	}
}

// Everything that does not come from a release of kubepki's own facts: other
// naming, other versions, external etcd, two address families.
func TestGoodBundlesOfOtherClusters(t *testing.T) {
	docs := bundletest.Cluster()
	docs.Naming = kubepki.NamingDocs
	old := bundletest.Cluster()
	old.KubernetesVersion = kubepki.Version{Major: 1, Minor: 17}
	sans := bundletest.Cluster()
	sans.CertSANs = []string{"203.0.113.7", "*.lab.test", "2001:db8::7"}
	sans.Overrides = map[string]kubepki.Override{"kube-apiserver": {ExtraSANs: []string{"more.test"}}}
	for name, c := range map[string]kubepki.Cluster{"docs naming": docs, "v1.17": old, "more SANs": sans} {
		t.Run(name, func(t *testing.T) {
			p := bundletest.New(t, c)
			b := p.Bundle(t, p.NewNode(t, bundletest.First()), 1)
			if f := b.Check(bundle.CheckOptions{Now: bundletest.Now}); len(f) > 0 {
				t.Errorf("findings: %v", f)
			}
		})
	}
	external := bundletest.Cluster()
	external.ExternalEtcd = true
	p := bundletest.New(t, external)
	n := bundletest.First()
	n.Roles = []kubepki.Role{kubepki.ControlPlane}
	if f := p.Bundle(t, p.NewNode(t, n), 1).Check(bundle.CheckOptions{Now: bundletest.Now}); len(f) > 0 {
		t.Errorf("external etcd: findings: %v", f)
	}
}

func TestSameInputSameBytes(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	n := p.NewNode(t, bundletest.First())
	parts := p.Parts(t, n)
	var first []byte
	for range 5 {
		b, err := bundle.Build(p.Header(n, 3), parts)
		if err != nil {
			t.Fatal(err)
		}
		b.Signature = []byte("the same")
		data, err := b.Tar()
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = data
		}
		if !bytes.Equal(first, data) {
			t.Fatal("two builds differ")
		}
		if !bytes.Equal(b.Sums, bundletest.Sums(b.Header, b.Files)) {
			t.Fatalf("SHA256SUMS is not as specified:\n%s", b.Sums)
		}
	}
}

func TestWrittenAndReadBack(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	b := p.Bundle(t, p.NewNode(t, bundletest.First()), 1)
	dir := filepath.Join(t.TempDir(), "bundles", "cp-1")
	d := &durable.Disk{}
	for range 2 { // the second time everything is there
		if err := b.WriteDir(d, dir); err != nil {
			t.Fatal(err)
		}
		if err := b.WriteTar(d, dir+".tar"); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{dir, dir + ".tar"} {
		got, err := bundle.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if got.Header != b.Header || !maps.EqualFunc(got.Files, b.Files, bytes.Equal) || !bytes.Equal(got.Signature, b.Signature) {
			t.Errorf("%s was read as something else", path)
		}
		if err := got.CheckSignature(p.Release.Public()); err != nil {
			t.Error(err)
		}
	}
	other := p.Bundle(t, p.NewNode(t, bundletest.First()), 2)
	if err := other.WriteDir(d, dir); !errors.Is(err, fs.ErrExist) {
		t.Errorf("another bundle over the first: %v", err)
	}
	if err := other.WriteTar(d, dir+".tar"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("another tar over the first: %v", err)
	}
	if got, err := bundle.Open(dir); err != nil || !bytes.Equal(got.Sums, b.Sums) {
		t.Errorf("the first bundle was touched: %v", err)
	}
}

// A process may be killed at every operation; a directory with a signature is whole.
func TestWriteDirKilled(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	b := p.Bundle(t, p.NewNode(t, bundletest.Worker()), 1)
	killed := errors.New("killed")
	for n := 0; ; n++ {
		dir := filepath.Join(t.TempDir(), b.Node)
		count := 0
		d := &durable.Disk{Gate: func(op durable.Op, _ string) error {
			if count++; count <= n {
				return nil
			}
			if count == n+1 && op == "write" {
				return durable.ErrTorn
			}
			return killed
		}}
		err := b.WriteDir(d, dir)
		if _, serr := os.Stat(filepath.Join(dir, bundle.SignatureFile)); serr == nil {
			if got, err := bundle.Open(dir); err != nil || !bytes.Equal(got.Sums, b.Sums) {
				t.Fatalf("killed at operation %d: a signed folder that is not whole: %v", n, err)
			}
		}
		if err == nil {
			if n < 10 {
				t.Fatalf("only %d operations were gated", n)
			}
			return
		}
		if err := b.WriteDir(&durable.Disk{}, dir); err != nil {
			t.Fatalf("killed at operation %d, not finished: %v", n, err)
		}
		if _, err := bundle.Open(dir); err != nil {
			t.Fatalf("killed at operation %d: %v", n, err)
		}
	}
}

func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil && os.Getenv("OFFICIANT_REQUIRE_SOFTHSM") == "" {
		t.Skipf("%s is not installed", name)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// The line VERIFY.txt prints, run as it stands there.
func TestOpensslAndSha256sum(t *testing.T) {
	tool(t, "openssl")
	tool(t, "sha256sum")
	for name, release := range map[string]crypto.Signer{"ecdsa": bundletest.Key(t), "rsa": bundletest.RSAKey(t, 2048)} {
		t.Run(name, func(t *testing.T) {
			p := bundletest.New(t, bundletest.Cluster())
			p.Release = release
			b := p.Bundle(t, p.NewNode(t, bundletest.First()), 1)
			if err := b.CheckSignature(release.Public()); err != nil {
				t.Fatal(err)
			}
			dir := filepath.Join(t.TempDir(), b.Node)
			if err := b.WriteDir(&durable.Disk{}, dir); err != nil {
				t.Fatal(err)
			}
			line := printedLine(t, b)
			run := func() (string, error) {
				c := exec.Command("sh", "-c", line)
				c.Dir = dir
				out, err := c.CombinedOutput()
				return string(out), err
			}
			bundletest.WriteFile(t, filepath.Join(dir, "release.pub"), bundletest.PublicPEM(t, release.Public()))
			out, err := run()
			if err != nil || !strings.Contains(out, "Verified OK") || strings.Count(out, ": OK") != len(b.Files) {
				t.Fatalf("%v\n%s", err, out)
			}
			file := filepath.Join(dir, "pki", "ca.crt")
			flip(t, file)
			if out, err := run(); err == nil || !strings.Contains(out, "pki/ca.crt: FAILED") {
				t.Errorf("a changed file passed:\n%s", out)
			}
			flip(t, file)
			flip(t, filepath.Join(dir, bundle.SumsFile))
			if out, err := run(); err == nil || !strings.Contains(strings.ToLower(out), "verification failure") {
				t.Errorf("a changed list passed:\n%s", out)
			}
		})
	}
}

func printedLine(t *testing.T, b *bundle.Bundle) string {
	t.Helper()
	for line := range strings.Lines(string(b.Files[bundle.VerifyFile])) {
		if strings.HasPrefix(line, "    openssl") {
			return strings.TrimSpace(line)
		}
	}
	t.Fatal("VERIFY.txt prints no openssl line")
	return ""
}

// flip changes one bit of a file.
func flip(t *testing.T, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestBuildRefuses(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	n := p.NewNode(t, bundletest.First())
	for name, spoil := range map[string]func(h *bundle.Header, parts *bundle.Parts){
		"other node":          func(h *bundle.Header, _ *bundle.Parts) { h.Node = "cp-9" },
		"other cluster":       func(h *bundle.Header, _ *bundle.Parts) { h.Cluster = "prod" },
		"format 99":           func(h *bundle.Header, _ *bundle.Parts) { h.Format = bundle.NewestFormat + 1 },
		"format -1":           func(h *bundle.Header, _ *bundle.Parts) { h.Format = -1 },
		"sequence 0":          func(h *bundle.Header, _ *bundle.Parts) { h.Sequence = 0 },
		"no root":             func(_ *bundle.Header, parts *bundle.Parts) { parts.Root = nil },
		"no authority":        func(_ *bundle.Header, parts *bundle.Parts) { delete(parts.Authorities, kubepki.EtcdAuthority) },
		"no leaf":             func(_ *bundle.Header, parts *bundle.Parts) { delete(parts.Leaves, "apiserver") },
		"leaf nobody uses":    func(_ *bundle.Header, parts *bundle.Parts) { parts.Leaves["kubelet"] = parts.Leaves["apiserver"] },
		"no sealed sa.key":    func(_ *bundle.Header, parts *bundle.Parts) { parts.ServiceAccountSealed = nil },
		"no sa.pub":           func(_ *bundle.Header, parts *bundle.Parts) { parts.ServiceAccountPublic = nil },
		"node without a role": func(_ *bundle.Header, parts *bundle.Parts) { parts.Node.Roles = nil },
	} {
		t.Run(name, func(t *testing.T) {
			h, parts := p.Header(n, 1), p.Parts(t, n)
			spoil(&h, &parts)
			if _, err := bundle.Build(h, parts); err == nil {
				t.Error("built")
			}
		})
	}
}

func TestNotAfterIsTheEarliest(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	n := p.NewNode(t, bundletest.First())
	parts := p.Parts(t, n)
	leaf := p.Leaves(t, n.Node)[3]
	short := bundletest.LeafTemplate(leaf)
	short.NotAfter = bundletest.Now.AddDate(0, 1, 0)
	issuer := p.Authorities[leaf.Authority]
	parts.Leaves[leaf.Name] = bundletest.Sign(t, short, issuer.Certificate, n.Keys[leaf.Name].Public(), issuer.Key)
	b, err := bundle.Build(p.Header(n, 1), parts)
	if err != nil {
		t.Fatal(err)
	}
	if !b.NotAfter.Equal(short.NotAfter) {
		t.Errorf("not-after is %v, the first certificate expires at %v", b.NotAfter, short.NotAfter)
	}
	certs, err := b.LeafCertificates()
	if err != nil || len(certs) != len(n.Keys) {
		t.Errorf("%d leaves read back (%v), %d keys", len(certs), err, len(n.Keys))
	}
	all, err := b.AuthorityCertificates()
	if err != nil || !maps.EqualFunc(all, withRoot(p), func(a []*x509.Certificate, b *x509.Certificate) bool { return len(a) == 1 && a[0].Equal(b) }) {
		t.Errorf("authorities were read as %v, %v", all, err)
	}
	root := fingerprint.Of(p.Root.Certificate.Raw)
	if f := b.Check(bundle.CheckOptions{Now: bundletest.Now, Root: &root}); len(f) != 0 {
		t.Error(f)
	}
}

func withRoot(p *bundletest.PKI) map[kubepki.Authority]*x509.Certificate {
	all := map[kubepki.Authority]*x509.Certificate{kubepki.Root: p.Root.Certificate}
	for name, a := range p.Authorities {
		all[name] = a.Certificate
	}
	return all
}
