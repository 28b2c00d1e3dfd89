package install_test

import (
	"encoding/pem"
	"os"
	"slices"
	"strings"
	"testing"

	"officiant/bundle"
	"officiant/bundle/bundletest"
	"officiant/bundle/install"
	"officiant/bundle/kubepki"
)

// kubespray has certificates where kubespray has them: below ssl, and what the API
// server reads of an external etcd in that one's folder.
func kubespray() (kubepki.Cluster, kubepki.Node) {
	c, n := bundletest.Cluster(), bundletest.First()
	n.Roles, c.ExternalEtcd = []kubepki.Role{kubepki.ControlPlane}, true
	c.Places = kubepki.Places{CertificatesDir: "/etc/kubernetes/ssl", EtcdCAFile: "/etc/ssl/etcd/ssl/ca.pem",
		EtcdCertFile: "/etc/ssl/etcd/ssl/node-cp-1.pem", EtcdKeyFile: "/etc/ssl/etcd/ssl/node-cp-1-key.pem"}
	return c, n
}

func (m machine) mkdirs(t *testing.T, folders ...string) {
	t.Helper()
	for _, f := range folders {
		must(t, os.MkdirAll(m.at(f), 0o755))
	}
}

func (m machine) link(t *testing.T, target string) {
	t.Helper()
	must(t, os.Symlink(target, m.at("etc/kubernetes/pki")))
}

func (m machine) there(path string) bool {
	_, err := os.Lstat(m.at(path))
	return err == nil
}

// TestPlaces: files go where the cluster's kubeadm file has them, and are found there by
// everything: install, verify, status, rollback, renewal.
func TestPlaces(t *testing.T) {
	c, n := kubespray()
	p := bundletest.New(t, c)
	m := newMachine(t, p, n)
	r := m.place(t, p, p.Bundle(t, m.who, 1))
	for _, path := range []string{"etc/kubernetes/ssl/apiserver.crt", "etc/kubernetes/ssl/sa.key",
		"etc/kubernetes/admin.conf", "etc/ssl/etcd/ssl/ca.pem", "etc/ssl/etcd/ssl/node-cp-1.pem",
		"etc/ssl/etcd/ssl/node-cp-1-key.pem"} {
		if !m.there(path) {
			t.Errorf("%s is not there", path)
		}
	}
	if m.there("etc/kubernetes/pki") || m.there("etc/kubernetes/ssl/etcd") {
		t.Error("a folder was made in which nothing belongs")
	}
	if said := noticeOf(r, "kube-apiserver"); !strings.Contains(said, "ssl/apiserver.crt") ||
		!strings.Contains(said, "/etc/ssl/etcd/ssl/ca.pem") {
		t.Errorf("the API server's notice names other files: %s", said)
	}
	m.sound(t, p)
	s, err := m.Status()
	must(t, err)
	if !slices.ContainsFunc(s.Certificates, func(c install.Certificate) bool {
		return c.File == "etc/ssl/etcd/ssl/node-cp-1.pem" && c.Sequence == 1
	}) {
		t.Errorf("status knows no client certificate for etcd: %+v", s.Certificates)
	}
	first := files(t, m.Root)
	m.place(t, p, p.Bundle(t, m.who, 2))
	m.sound(t, p)
	_, err = m.Rollback(false)
	must(t, err)
	m.sound(t, p)
	if d := slices.DeleteFunc(unlike(first, files(t, m.Root)), func(path string) bool {
		return strings.HasPrefix(path, install.StateDir)
	}); len(d) > 0 {
		t.Errorf("after a rollback these differ: %v", d)
	}
}

// TestPlacesCanFail: what is amiss at these places is found.
func TestPlacesCanFail(t *testing.T) {
	c, n := kubespray()
	p := bundletest.New(t, c)
	sound := newMachine(t, p, n)
	sound.place(t, p, p.Bundle(t, sound.who, 1))
	for name, c := range map[string]struct {
		spoil func(m machine)
		want  string
	}{
		"changed": {func(m machine) {
			must(t, os.WriteFile(m.at("etc/ssl/etcd/ssl/ca.pem"), []byte("no certificate"), 0o644))
		}, "etc/ssl/etcd/ssl/ca.pem: was changed"},
		"mode": {func(m machine) { must(t, os.Chmod(m.at("etc/ssl/etcd/ssl/node-cp-1-key.pem"), 0o644)) },
			"node-cp-1-key.pem: mode is 0644"},
		"gone": {func(m machine) { must(t, os.Remove(m.at("etc/kubernetes/ssl/apiserver.key"))) },
			"ssl/apiserver.key: missing"},
		"beside": {func(m machine) { must(t, os.WriteFile(m.at("etc/kubernetes/ssl/other.crt"), nil, 0o644)) },
			"ssl/other.crt: is not from the bundle"},
		"in pki": {func(m machine) {
			m.mkdirs(t, "etc/kubernetes/pki")
			must(t, os.WriteFile(m.at("etc/kubernetes/pki/ca.crt"), nil, 0o644))
		}, "pki/ca.crt: is not from the bundle"},
		"an authority's key by name": {func(m machine) {
			must(t, os.WriteFile(m.at("etc/kubernetes/ssl/ca.key"), nil, 0o600))
		}, "ssl/ca.key: a CA's private key"},
		"etcd's authority's key": {func(m machine) {
			key := bundletest.PrivatePEM(t, p.Authorities[kubepki.EtcdAuthority].Key)
			must(t, os.WriteFile(m.at("etc/ssl/etcd/ssl/ca-key.pem"), key, 0o600))
		}, "etc/ssl/etcd/ssl/ca-key.pem: is the private key of authority etcd"},
	} {
		t.Run(name, func(t *testing.T) {
			m := sound.copy(t)
			c.spoil(m)
			v, err := m.Verify(install.VerifyOptions{Release: p.Release.Public()})
			must(t, err)
			told := func(f bundle.Finding) bool { return strings.Contains(f.String(), c.want) }
			if !slices.ContainsFunc(v.Findings, told) {
				t.Errorf("findings %v, not %q", v.Findings, c.want)
			}
		})
	}
}

// TestPlacesFromFormat4: a bundle that knows where kubeadm has certificates follows one
// that did not. Where pki is a link to that folder nothing goes; where it is another
// one, what a running component may read there stays, and verify names it.
func TestPlacesFromFormat4(t *testing.T) {
	c, n := kubespray()
	p := bundletest.New(t, c)
	for name, lay := range map[string]func(m machine){
		"a link": func(m machine) { m.mkdirs(t, "etc/kubernetes/ssl"); m.link(t, "ssl") },
		"a link the other way": func(m machine) {
			m.mkdirs(t, "etc/kubernetes/pki")
			must(t, os.Symlink("pki", m.at("etc/kubernetes/ssl")))
		},
		"two folders": func(m machine) {},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, p, n)
			lay(m)
			m.place(t, p, p.BundleOf(t, m.who, 1, 4))
			old := files(t, m.at("etc/kubernetes"))
			m.place(t, p, p.BundleOf(t, m.who, 2, 5))
			now := files(t, m.at("etc/kubernetes"))
			for path := range old {
				if _, ok := now[path]; !ok {
					t.Errorf("%s is gone", path)
				}
			}
			v, err := m.Verify(install.VerifyOptions{Release: p.Release.Public()})
			must(t, err)
			strays := slices.DeleteFunc(slices.Clone(v.Findings), func(f bundle.Finding) bool {
				return f.Problem == "is not from the bundle in place"
			})
			if len(strays) > 0 {
				t.Errorf("findings %v", strays)
			}
			named := len(v.Findings) - len(strays)
			if three := strings.HasPrefix(name, "a link"); three && named != 3 || !three && named <= 3 {
				t.Errorf("%d files are named as left from before: %v", named, v.Findings)
			}
			_, err = m.Rollback(false)
			must(t, err)
			back := files(t, m.at("etc/kubernetes"))
			if d := unlike(old, back); len(d) > 0 {
				t.Errorf("after a rollback these differ: %v", d)
			}
		})
	}
}

// TestPlacesReachNothingElse: the release key alone does not have other files replaced.
func TestPlacesReachNothingElse(t *testing.T) {
	c, n := kubespray()
	p := bundletest.New(t, c)
	for what, content := range map[string][]byte{
		"etcd's configuration": []byte("ETCD_DATA_DIR=/var/lib/etcd\n"),
		"a request":            pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: []byte{1}}),
	} {
		m := newMachine(t, p, n)
		m.mkdirs(t, "etc/ssl/etcd/ssl")
		must(t, os.WriteFile(m.at("etc/ssl/etcd/ssl/ca.pem"), content, 0o644))
		before := files(t, m.Root)
		_, err := m.Install(p.Bundle(t, m.who, 1), install.Options{Release: p.Release.Public()})
		if err == nil || !strings.Contains(err.Error(), "is neither certificates nor a private key") {
			t.Errorf("%s: %v", what, err)
		}
		if d := unlike(before, files(t, m.Root)); len(d) > 0 {
			t.Errorf("%s: these were changed: %v", what, d)
		}
	}
	// A journal that somebody wrote reaches no more.
	m := newMachine(t, p, n)
	m.place(t, p, p.Bundle(t, m.who, 1))
	j := `{"apiVersion":"officiant/v1","kind":"InstallJournal","operation":"install",` +
		`"started":"2026-11-23T12:00:00Z","moves":[],"removals":["etc/passwd"]}`
	must(t, os.WriteFile(m.at(journal), []byte(j), 0o600))
	must(t, os.WriteFile(m.at("etc/passwd"), []byte("root\n"), 0o644))
	if _, err := m.Recover(); err == nil || !m.there("etc/passwd") {
		t.Errorf("a journal that removes etc/passwd: %v", err)
	}
}

// TestPlacesStand: adoption takes what the kubeadm file names, where it names it, and an
// etcd client of another name, as kubespray has it.
func TestPlacesStand(t *testing.T) {
	c, n := kubespray()
	p := bundletest.New(t, c)
	m := running(t, p, n, p.Former(t))
	must(t, os.Rename(m.at("etc/kubernetes/pki"), m.at("etc/kubernetes/ssl")))
	m.mkdirs(t, "etc/ssl/etcd/ssl")
	for from, to := range map[string]string{"etcd/ca.crt": "ca.pem", "apiserver-etcd-client.crt": "node-cp-1.pem",
		"apiserver-etcd-client.key": "node-cp-1-key.pem"} {
		must(t, os.Rename(m.at("etc/kubernetes/ssl/"+from), m.at("etc/ssl/etcd/ssl/"+to)))
	}
	s, err := m.Standing(c, n)
	must(t, err)
	if len(s.Leaves) != len(p.Leaves(t, n)) || s.Authorities[kubepki.EtcdAuthority] == nil {
		t.Errorf("it stands with %d leaves, %d authorities", len(s.Leaves), len(s.Authorities))
	}
	if got := m.AuthorityKeyFiles(c.Places); !slices.Contains(got, "etc/kubernetes/ssl/ca.key") {
		t.Errorf("authorities' keys at %q", got)
	}
	must(t, os.Rename(m.at("etc/ssl/etcd/ssl/ca.pem"), m.at("etc/ssl/etcd/ssl/other.pem")))
	_, err = m.Standing(c, n)
	if err == nil || !strings.Contains(err.Error(), "etc/ssl/etcd/ssl/ca.pem: is not there") ||
		!strings.Contains(err.Error(), "etcd.external") {
		t.Errorf("without etcd's authority: %v", err)
	}
}

// TestKilledPlaces: the folders of such files are as whole as any.
func TestKilledPlaces(t *testing.T) {
	t.Parallel()
	c, n := kubespray()
	p := bundletest.New(t, c)
	m := newMachine(t, p, n)
	first, second := p.Bundle(t, m.who, 1), p.Bundle(t, m.who, 2)
	m.place(t, p, first)
	killed(t, m, true, func(m machine) error {
		_, err := m.Install(second, install.Options{Release: p.Release.Public()})
		return err
	}, func(m machine) error {
		_, err := m.Install(second, install.Options{Release: p.Release.Public()})
		return err
	})
}

func noticeOf(r *install.Report, component string) string {
	for _, n := range r.Notices {
		if n.Component == component {
			return n.String()
		}
	}
	return ""
}
