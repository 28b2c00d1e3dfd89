package install_test

import (
	"os"
	"strings"
	"testing"

	"officiant/bundle/bundletest"
)

// Where pki is a link to kubeadm's certificatesDir, everything works through it;
// elsewhere the refusal says how it becomes one, and what it says works.
func TestCertificatesDir(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	const ssl = "/etc/kubernetes/ssl"
	for name, c := range map[string]struct {
		lay  func(m machine)
		dir  string
		want string
	}{
		"the default":  {func(machine) {}, "/etc/kubernetes/pki", ""},
		"unsaid":       {func(machine) {}, "", ""},
		"with a slash": {func(machine) {}, "/etc/kubernetes/pki/", ""},
		"nothing there": {func(machine) {}, ssl,
			"mkdir -p /etc/kubernetes/ssl && ln -s /etc/kubernetes/ssl /etc/kubernetes/pki"},
		"pki alone": {func(m machine) { m.mkdirs(t, "etc/kubernetes/pki") }, ssl, "mv /etc/kubernetes/pki"},
		"both": {func(m machine) { m.mkdirs(t, "etc/kubernetes/pki", "etc/kubernetes/ssl") },
			ssl, "is another folder"},
		"a link":           {func(m machine) { m.mkdirs(t, "etc/kubernetes/ssl"); m.link(t, "ssl") }, ssl, ""},
		"kubespray's link": {func(m machine) { m.mkdirs(t, "etc/kubernetes/ssl"); m.link(t, ssl) }, ssl, ""},
		"elsewhere":        {func(m machine) { m.mkdirs(t, "srv/pki"); m.link(t, "/srv/pki") }, "/srv/pki", ""},
		"a link to another": {func(m machine) { m.mkdirs(t, "srv/pki", "etc/kubernetes/ssl"); m.link(t, "/srv/pki") },
			ssl, "is another folder"},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, p, bundletest.First())
			c.lay(m)
			err := m.CertificatesDir(c.dir)
			if c.want != "" {
				if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "link") {
					t.Errorf("error %v", err)
				}
				return
			}
			must(t, err)
			m.place(t, p, p.Bundle(t, m.who, 1))
			m.place(t, p, p.Bundle(t, m.who, 2))
			m.sound(t, p)
			if _, err := os.Stat(m.at(strings.TrimPrefix(c.dir, "/") + "/ca.crt")); c.dir != "" && err != nil {
				t.Error(err)
			}
			if _, err := m.Rollback(false); err != nil {
				t.Error(err)
			}
			m.sound(t, p)
		})
	}
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
