package install_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"strings"
	"testing"

	"officiant/bundle"
	"officiant/bundle/bundletest"
	"officiant/bundle/fingerprint"
	"officiant/bundle/install"
	"officiant/bundle/kubeconfig"
	"officiant/bundle/kubepki"
)

func TestFirstInstall(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	for _, n := range []kubepki.Node{bundletest.First(), bundletest.Worker(), bundletest.EtcdOnly()} {
		t.Run(n.Name, func(t *testing.T) {
			m := newMachine(t, p, n)
			b := p.Bundle(t, m.who, 1)
			r := m.place(t, p, b)
			if !r.First || r.Already || r.Sequence != 1 || r.Pins.Root != fingerprint.Of(p.Root.Certificate.Raw) {
				t.Errorf("report %+v", r)
			}
			m.sound(t, p)
			m.complete(t, p)
			if len(r.Notices) == 0 {
				t.Error("nobody was told to restart")
			}
		})
	}
}

// complete checks an installed tree against kubepki, without what install or
// verify say: names, modes, pairs that TLS takes, kubeconfigs with their key.
func (m machine) complete(t *testing.T, p *bundletest.PKI) {
	t.Helper()
	list, err := kubepki.Files(p.Cluster, m.who.Node)
	must(t, err)
	for _, f := range list {
		at := m.at("etc/kubernetes/" + f.Path)
		info, err := os.Stat(at)
		must(t, err)
		if info.Mode().Perm() != f.Mode {
			t.Errorf("%s has mode %o, not %o", f.Path, info.Mode().Perm(), f.Mode)
		}
		data, err := os.ReadFile(at)
		must(t, err)
		switch f.Kind {
		case kubepki.CertificateFile:
			if _, err := tls.LoadX509KeyPair(at, strings.TrimSuffix(at, ".crt")+".key"); err != nil {
				t.Errorf("%s: %v", f.Path, err)
			}
		case kubepki.KubeconfigFile:
			c, err := kubeconfig.Parse(at, data)
			must(t, err)
			if _, err := tls.X509KeyPair(c.Certificate, c.Key); err != nil {
				t.Errorf("%s: %v", f.Path, err)
			}
			if !bytes.Equal(c.CA, bundletest.Certificates(p.Authorities[kubepki.KubernetesAuthority].Certificate.Raw)) {
				t.Errorf("%s trusts something else than the kubernetes intermediate", f.Path)
			}
		case kubepki.ServiceAccountKey:
			if !bytes.Equal(data, bundletest.PrivatePEM(t, p.Account)) {
				t.Error("sa.key is another key")
			}
		}
	}
	for path, content := range files(t, m.Root) {
		private := strings.Contains(content, "PRIVATE KEY") || strings.Contains(content, "AGE-SECRET") || strings.Contains(content, "client-key-data")
		if private && !strings.HasPrefix(content, "-rw-------") {
			t.Errorf("%s holds a secret with %s", path, content[:10])
		}
	}
}

func TestSecondInstallAndTheWayBack(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	m := newMachine(t, p, bundletest.First())
	bare := files(t, m.Root)
	one, two := p.Bundle(t, m.who, 1), p.Bundle(t, m.who, 2)
	m.place(t, p, one)
	first := files(t, m.Root, pins, previous, rolledBack)

	if r := m.place(t, p, one); !r.Already || len(r.Changes) > 0 {
		t.Errorf("a second time: %+v", r)
	}
	r := m.place(t, p, two)
	if r.Already || r.First || r.Before != 1 || r.Sequence != 2 {
		t.Errorf("report %+v", r)
	}
	second := files(t, m.Root, pins, previous, rolledBack)
	if d := unlike(first, second); len(d) != 2+12 { // installed.tar, origins.json, 7 certificates, 5 kubeconfigs
		t.Errorf("a renewal with the same keys changed %v", d)
	}

	back, err := m.Rollback(false)
	must(t, err)
	if back.Before != 2 || back.Sequence != 1 || len(back.Changes) != 12 || len(back.Notices) == 0 {
		t.Errorf("report %+v", back)
	}
	if d := unlike(first, files(t, m.Root, pins, previous, rolledBack)); len(d) > 0 {
		t.Errorf("after the rollback these differ: %v", d)
	}
	m.sound(t, p)
	if pins, err := m.State().Pins(); err != nil || pins.HighestSequence != 2 {
		t.Errorf("rollback changed the highest sequence: %+v, %v", pins, err)
	}
	// The older bundle is in place, and still not to be installed.
	m.refuses(t, p, one, "is older than 2")
	before := tree(t, m.Root)
	if _, err := m.Rollback(false); !errors.Is(err, install.ErrNoWayBack) {
		t.Errorf("a second rollback: %v", err)
	}
	if d := unlike(before, tree(t, m.Root)); len(d) > 0 {
		t.Errorf("a second rollback changed %v", d)
	}
	if r := m.place(t, p, two); r.Already || len(r.Changes) != 12 {
		t.Errorf("after a rollback the newest installs again: %+v", r)
	}
	if d := unlike(second, files(t, m.Root, pins, previous, rolledBack)); len(d) > 0 {
		t.Errorf("and these differ: %v", d)
	}
	m.sound(t, p)

	fresh := newMachine(t, p, bundletest.Worker())
	empty := files(t, fresh.Root)
	fresh.place(t, p, p.Bundle(t, fresh.who, 1))
	if r, err := fresh.Rollback(false); err != nil || r.Sequence != 0 {
		t.Errorf("rollback of the first install: %+v, %v", r, err)
	}
	if d := unlike(empty, files(t, fresh.Root, pins, previous, rolledBack)); len(d) > 0 {
		t.Errorf("rollback of the first install left %v", d)
	}
	if d := unlike(bare, files(t, m.Root)); has(d, "manifests") || has(d, ".req") || has(d, "keys/") {
		t.Errorf("files of others were touched: %v", d)
	}
}

const (
	pins     = install.StateDir + "/pins.json"
	previous = install.StateDir + "/previous/tree.tar"
	// rolledBack is what a rollback keeps for people.
	rolledBack = install.StateDir + "/previous/rolled-back.tar"
)

func TestRollbackWithNothingBefore(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	m := newMachine(t, p, bundletest.Worker())
	before := tree(t, m.Root)
	if _, err := m.Rollback(false); !errors.Is(err, install.ErrNoWayBack) {
		t.Errorf("rollback of nothing: %v", err)
	}
	if d := unlike(before, tree(t, m.Root)); len(d) > 0 {
		t.Errorf("it changed %v", d)
	}
}

func TestDryRunsWriteNothing(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	m := newMachine(t, p, bundletest.First())
	before := tree(t, m.Root)
	one := p.Bundle(t, m.who, 1)
	would, err := m.Install(one, install.Options{Release: p.Release.Public(), DryRun: true})
	must(t, err)
	if d := unlike(before, tree(t, m.Root)); len(d) > 0 {
		t.Errorf("a dry run changed %v", d)
	}
	did := m.place(t, p, one)
	if fmt.Sprint(would.Changes, would.Notices) != fmt.Sprint(did.Changes, did.Notices) {
		t.Errorf("it would have changed %v, and changed %v", would.Changes, did.Changes)
	}
	m.place(t, p, p.Bundle(t, m.who, 2))
	before = tree(t, m.Root)
	if r, err := m.Rollback(true); err != nil || len(r.Changes) == 0 {
		t.Errorf("%+v, %v", r, err)
	}
	if d := unlike(before, tree(t, m.Root)); len(d) > 0 {
		t.Errorf("a dry run changed %v", d)
	}
}

func TestPreviousFilesOfOthersAreRestored(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	m := newMachine(t, p, bundletest.Worker())
	bundletest.WriteFile(t, m.at("etc/kubernetes/kubelet.conf"), []byte("made by hand"))
	must(t, os.Chmod(m.at("etc/kubernetes/kubelet.conf"), 0o640))
	before := files(t, m.Root)
	r := m.place(t, p, p.Bundle(t, m.who, 1))
	if !strings.Contains(fmt.Sprint(r.Changes), "kubelet.conf changed") {
		t.Errorf("changes %v", r.Changes)
	}
	if _, err := m.Rollback(false); err != nil {
		t.Fatal(err)
	}
	if d := unlike(before, files(t, m.Root, pins, previous, rolledBack)); len(d) > 0 {
		t.Errorf("these differ: %v", d)
	}
}

func TestInstallRepairs(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	m := newMachine(t, p, bundletest.Worker())
	m.place(t, p, p.Bundle(t, m.who, 1))
	two := p.Bundle(t, m.who, 2)
	m.place(t, p, two)
	good := files(t, m.Root)
	bundletest.WriteFile(t, m.at("etc/kubernetes/pki/ca.crt"), []byte("spoilt"))
	must(t, os.Chmod(m.at("etc/kubernetes/kubelet.conf"), 0o644))
	r := m.place(t, p, two)
	if got := changes(r); r.Already || got != "etc/kubernetes/kubelet.conf mode, etc/kubernetes/pki/ca.crt changed" {
		t.Errorf("repaired %v", got)
	}
	// The way back still leads to sequence 1.
	if d := unlike(good, files(t, m.Root)); len(d) > 0 {
		t.Errorf("these differ: %v", d)
	}
}

// changes lists what a report says changed.
func changes(r *install.Report) string {
	var list []string
	for _, c := range r.Changes {
		list = append(list, c.Path+" "+string(c.What))
	}
	return strings.Join(list, ", ")
}

func TestNodeThatLosesARole(t *testing.T) {
	c := bundletest.Cluster()
	c.ExternalEtcd = true
	p := bundletest.New(t, c)
	m := newMachine(t, p, bundletest.First())
	m.place(t, p, p.Bundle(t, m.who, 1))
	m.who.Node.Roles = []kubepki.Role{kubepki.ControlPlane}
	m.who.Keys = maps.Clone(m.who.Keys)
	r := m.place(t, p, p.Bundle(t, m.who, 2))
	m.sound(t, p)
	for _, name := range []string{"server", "peer", "healthcheck-client"} {
		for _, end := range []string{".crt", ".key"} {
			path := "etc/kubernetes/pki/etcd/" + name + end
			if _, err := os.Stat(m.at(path)); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s is still there (%v)", path, err)
			}
			if !strings.Contains(fmt.Sprint(r.Changes), path+" removed") {
				t.Errorf("nobody was told that %s is gone", path)
			}
		}
	}
	if _, err := m.Rollback(false); err != nil {
		t.Fatal(err)
	}
	m.sound(t, p)
}

// kubeadm certs generate-csr leaves keys where Kubernetes reads them.
func TestKeysThatKubeadmMade(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	m := newMachine(t, p, bundletest.First())
	must(t, os.RemoveAll(m.State().Dir()+"/keys"))
	for _, l := range p.Leaves(t, m.who.Node) {
		key := bundletest.PrivatePEM(t, m.who.Keys[l.Name])
		if l.KeyFile != "" {
			bundletest.WriteFile(t, m.at("etc/kubernetes/"+l.KeyFile), key)
			continue
		}
		config := kubeconfig.Config{Cluster: l.Kubeconfig.Cluster, User: l.Kubeconfig.User, Context: l.Kubeconfig.Context, Server: l.Kubeconfig.Server, Key: key}
		bundletest.WriteFile(t, m.at("etc/kubernetes/"+l.File), config.Render())
	}
	m.place(t, p, p.Bundle(t, m.who, 1))
	m.sound(t, p)
	m.complete(t, p)
}

func TestNotices(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	m := newMachine(t, p, bundletest.First())
	m.place(t, p, p.Bundle(t, m.who, 1))
	r := m.place(t, p, p.Bundle(t, m.who, 2))
	var lines []string
	for _, n := range r.Notices {
		lines = append(lines, n.String())
	}
	text := strings.Join(lines, "\n")
	for _, want := range []string{"kube-scheduler: restart it for scheduler.conf", "kubelet: restart it for kubelet.conf", "kubectl: reads at each use admin.conf, super-admin.conf",
		"reloads by itself pki/apiserver"} {
		if !strings.Contains(text, want) {
			t.Errorf("no line %q in\n%s", want, text)
		}
	}
	if strings.Count(text, "kube-apiserver") != 1 {
		t.Errorf("more than one line a component:\n%s", text)
	}
}

func (m machine) refuses(t *testing.T, p *bundletest.PKI, b *bundle.Bundle, want string) {
	t.Helper()
	for _, dry := range []bool{true, false} {
		before := tree(t, m.Root)
		_, err := m.Install(b, install.Options{Release: p.Release.Public(), DryRun: dry})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("not refused with %q: %v", want, err)
		}
		if d := unlike(before, tree(t, m.Root)); len(d) > 0 {
			t.Errorf("a refused bundle changed %v", d)
		}
	}
}
