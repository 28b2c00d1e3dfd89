package install_test

import (
	"encoding/base64"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"officiant/bundle"
	"officiant/bundle/bundletest"
	"officiant/bundle/install"
	"officiant/bundle/kubeconfig"
	"officiant/bundle/kubepki"
)

// differs is a change as one line a difference.
func differs(t *testing.T, r *install.Report, path string) string {
	t.Helper()
	for _, c := range r.Changes {
		if c.Path != path {
			continue
		}
		var lines []string
		for _, d := range c.Differences {
			lines = append(lines, fmt.Sprintf("%s: %s -> %s", d.What, strings.Join(d.Was, " "), strings.Join(d.Is, " ")))
		}
		return string(c.What) + "\n" + strings.Join(lines, "\n")
	}
	t.Fatalf("%s does not change: %v", path, changes(r))
	return ""
}

func TestDryRunShowsWhatChanges(t *testing.T) {
	const api = "etc/kubernetes/pki/apiserver.crt"
	p := bundletest.New(t, bundletest.Cluster())
	m := newMachine(t, p, bundletest.First())
	one := p.Bundle(t, m.who, 1)
	dry := install.Options{Release: p.Release.Public(), DryRun: true}
	r, err := m.Install(one, dry)
	must(t, err)
	for _, want := range []string{"new\n", "subject:  -> CN=kube-apiserver", "expires:  -> 2027-11-23T12:00:00Z", "followed by:  -> CN=kubernetes", "mode:  -> 0644"} {
		if got := differs(t, r, api); !strings.Contains(got, want) {
			t.Errorf("no %q in %s", want, got)
		}
	}
	m.place(t, p, one)

	// A renewal with another name, another key, and everything else as it was.
	p.Cluster.CertSANs = []string{"api.new.test"}
	m.who.Keys["scheduler.conf"] = bundletest.Key(t)
	must(t, os.Remove(m.State().Dir()+"/keys/scheduler.conf.key"))
	must(t, m.State().WriteKey("scheduler.conf", m.who.Keys["scheduler.conf"]))
	parts := p.Parts(t, m.who)
	old, err := one.LeafCertificates()
	must(t, err)
	parts.Leaves["front-proxy-client"] = old["front-proxy-client"]
	two, err := bundle.Build(p.Header(m.who, 2), parts)
	must(t, err)
	p.Seal(t, two)
	must(t, os.Chmod(m.at("etc/kubernetes/pki/ca.crt"), 0o640))
	must(t, os.WriteFile(m.at("etc/kubernetes/kubelet.conf"), []byte("by hand"), 0o600))
	r, err = m.Install(two, dry)
	must(t, err)
	got := differs(t, r, api)
	for _, want := range []string{"changed\n", fmt.Sprintf("serial: %x -> %x", old["apiserver"].SerialNumber, parts.Leaves["apiserver"].SerialNumber),
		"kubernetes.default.svc.cluster.local -> ", "api.new.test"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %s", want, got)
		}
	}
	for _, same := range []string{"subject:", "issuer:", "expires:", "key:", "mode:"} {
		if strings.Contains(got, same) {
			t.Errorf("%q is no difference: %s", same, got)
		}
	}
	if got := differs(t, r, "etc/kubernetes/scheduler.conf"); !strings.Contains(got, "\nkey: ECDSA P-256 ") {
		t.Errorf("another key is not shown: %s", got)
	}
	if got := differs(t, r, "etc/kubernetes/pki/ca.crt"); got != "mode\nmode: 0640 -> 0644" {
		t.Errorf("a mode: %s", got)
	}
	if got := differs(t, r, "etc/kubernetes/kubelet.conf"); !strings.Contains(got, "content: nothing that can be read as a kubeconfig -> ") || strings.Contains(got, "by hand") {
		t.Errorf("a file of another kind: %s", got)
	}
	for _, path := range []string{"etc/kubernetes/pki/front-proxy-client.crt", "etc/kubernetes/pki/front-proxy-client.key", "etc/kubernetes/pki/sa.key"} {
		if !slices.Contains(r.Same, path) {
			t.Errorf("%s is the same: %v", path, r.Same)
		}
	}
}

// A diff never holds a private key, or any file's text, wherever one lies.
func TestDiffTellsNoSecret(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	m := newMachine(t, p, bundletest.First())
	b := p.Bundle(t, m.who, 1)
	stray := bundletest.PrivatePEM(t, bundletest.Key(t))
	files, err := kubepki.Files(p.Cluster, m.who.Node)
	must(t, err)
	for _, text := range [][]byte{stray, []byte("token: hunter2hunter2\n"), append(b.Files["pki/ca.crt"], stray...),
		(&kubeconfig.Config{Cluster: "c", User: "u", Context: "x", Server: "https://h:1", Key: stray}).Render()} {
		for _, f := range files {
			bundletest.WriteFile(t, m.at("etc/kubernetes/"+f.Path), text)
		}
		r, err := m.Install(b, install.Options{Release: p.Release.Public(), DryRun: true})
		must(t, err)
		shown := fmt.Sprintf("%+v", r.Changes)
		for _, line := range strings.Split(string(stray), "\n")[1:3] {
			if strings.Contains(shown, line) || strings.Contains(shown, base64.StdEncoding.EncodeToString([]byte(line))[:20]) {
				t.Errorf("the diff holds a private key: %s", shown)
			}
		}
		for _, word := range []string{"PRIVATE", "BEGIN", "hunter2"} {
			if strings.Contains(shown, word) {
				t.Errorf("the diff holds %q: %s", word, shown)
			}
		}
	}
}

func TestMinSequence(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	m := newMachine(t, p, bundletest.Worker())
	before := tree(t, m.Root)
	for _, dry := range []bool{true, false} {
		_, err := m.Install(p.Bundle(t, m.who, 4), install.Options{Release: p.Release.Public(), MinSequence: 5, DryRun: dry})
		if err == nil || !strings.Contains(err.Error(), "SHA256SUMS: sequence 4 is older than 5, the least asked for") {
			t.Errorf("error %v", err)
		}
	}
	if d := unlike(before, tree(t, m.Root)); len(d) > 0 {
		t.Errorf("a refused bundle changed %v", d)
	}
	r, err := m.Install(p.Bundle(t, m.who, 5), install.Options{Release: p.Release.Public(), MinSequence: 5})
	if err != nil || r.Sequence != 5 {
		t.Errorf("%+v, %v", r, err)
	}
}

// A bundle that has expired as a whole is refused, its certificates good or not.
func TestStaleBundle(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	m := newMachine(t, p, bundletest.Worker())
	h := p.Header(m.who, 1)
	h.NotAfter = bundletest.Now.AddDate(0, 0, -1)
	b, err := bundle.Build(h, p.Parts(t, m.who))
	must(t, err)
	p.Seal(t, b)
	m.refuses(t, p, b, "SHA256SUMS: the bundle expired at 2026-11-22T12:00:00Z")
}

// A file comes back with its owner, whoever owned it before.
func TestRollbackGivesBack(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	m := newMachine(t, p, bundletest.EtcdOnly())
	const path = "etc/kubernetes/pki/etcd/server.key"
	bundletest.WriteFile(t, m.at(path), []byte("etcd's own"))
	chowned(path)(t, p, m)
	b := p.Bundle(t, m.who, 1)
	m.place(t, p, b)
	m.sound(t, p)
	if _, err := m.Rollback(false); err != nil {
		t.Fatal(err)
	}
	m.place(t, p, b)
	m.sound(t, p)
	if _, err := m.Rollback(false); err != nil {
		t.Fatal(err)
	}
	if uid := userOf(t, m.at(path)); uid != 4711 {
		t.Errorf("it belongs to %d", uid)
	}
}

// With --root, a folder that leads out of the tree is not followed by anything.
func TestLinksOutOfTheRoot(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	for _, folder := range []string{"etc", "etc/kubernetes", "etc/kubernetes/pki", "etc/kubernetes/pki/etcd", "var", "var/lib", install.StateDir, install.StateDir + "/previous", install.StateDir + "/keys"} {
		t.Run(folder, func(t *testing.T) {
			m := newMachine(t, p, bundletest.First())
			m.place(t, p, p.Bundle(t, m.who, 1))
			two := p.Bundle(t, m.who, 2)
			outside := t.TempDir()
			must(t, os.RemoveAll(outside))
			second := m.copy(t)
			must(t, os.RemoveAll(m.at(folder)))
			must(t, os.Symlink(second.at(folder), m.at(folder)))
			m.refusesLinks(t, p, two, folder, second.Root)
			must(t, os.Remove(m.at(folder)))
			must(t, os.Symlink(outside, m.at(folder)))
			m.refusesLinks(t, p, two, folder, second.Root)
			if _, err := os.Lstat(outside); err == nil {
				t.Error("what the link names was made")
			}
		})
	}
	m := newMachine(t, p, bundletest.First())
	must(t, os.MkdirAll(m.at("srv/pki"), 0o755))
	must(t, os.Symlink("../../srv/pki", m.at("etc/kubernetes/pki")))
	m.place(t, p, p.Bundle(t, m.who, 1))
	m.sound(t, p)
}

// refusesLinks demands that nothing works, and nothing changes here or there.
func (m machine) refusesLinks(t *testing.T, p *bundletest.PKI, b *bundle.Bundle, folder, there string) {
	t.Helper()
	before, outside := tree(t, m.Root), tree(t, there)
	o := install.Options{Release: p.Release.Public()}
	for name, act := range map[string]func() error{
		"install":  func() error { _, err := m.Install(b, o); return err },
		"dry run":  func() error { _, err := m.Install(b, install.Options{Release: o.Release, DryRun: true}); return err },
		"rollback": func() error { _, err := m.Rollback(false); return err },
		"verify":   func() error { _, err := m.Verify(install.VerifyOptions{Release: o.Release}); return err },
		"status":   func() error { _, err := m.Status(); return err },
		"request":  func() error { _, err := m.Hold(); return err },
	} {
		if err := act(); err == nil || !strings.Contains(err.Error(), folder) ||
			!strings.Contains(err.Error(), "leads out of") && !strings.Contains(err.Error(), "a link to nothing") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if d := append(unlike(before, tree(t, m.Root)), unlike(outside, tree(t, there))...); len(d) > 0 {
		t.Errorf("it changed %v", d)
	}
}
