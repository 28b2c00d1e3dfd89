package install_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"officiant/bundle"
	"officiant/bundle/bundletest"
	"officiant/bundle/fingerprint"
	"officiant/bundle/install"
	"officiant/bundle/kubeconfig"
	"officiant/bundle/kubepki"
)

func TestVerifyFinds(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	m := newMachine(t, p, bundletest.First())
	m.place(t, p, p.Bundle(t, m.who, 1))
	config := func(c machine, change func(k *kubeconfig.Config)) {
		at := c.at("etc/kubernetes/admin.conf")
		data, err := os.ReadFile(at)
		must(t, err)
		k, err := kubeconfig.Parse(at, data)
		must(t, err)
		change(k)
		bundletest.WriteFile(t, at, k.Render())
	}
	for name, c := range map[string]struct {
		file, want string
		spoil      func(m machine)
	}{
		"certificate changed": {"etc/kubernetes/pki/apiserver.crt", "was changed", func(c machine) {
			bundletest.WriteFile(t, c.at("etc/kubernetes/pki/apiserver.crt"), []byte("x"))
		}},
		"root added to ca.crt": {"etc/kubernetes/pki/ca.crt", "it holds 2 certificates, and whoever any of them certifies could log in", func(c machine) {
			at := c.at("etc/kubernetes/pki/ca.crt")
			data, err := os.ReadFile(at)
			must(t, err)
			bundletest.WriteFile(t, at, append(data, bundletest.Certificates(p.Root.Certificate.Raw)...))
		}},
		"file missing": {"etc/kubernetes/kubelet.conf", "missing", func(c machine) { must(t, os.Remove(c.at("etc/kubernetes/kubelet.conf"))) }},
		"link":         {"etc/kubernetes/pki/ca.crt", "not a plain file", func(c machine) { replaceByLink(t, c.at("etc/kubernetes/pki/ca.crt")) }},
		"key readable": {"etc/kubernetes/pki/apiserver.key", "mode is 0644, must be 0600", func(c machine) {
			must(t, os.Chmod(c.at("etc/kubernetes/pki/apiserver.key"), 0o644))
		}},
		"other key": {"etc/kubernetes/pki/apiserver.key", "does not belong to its certificate", func(c machine) {
			bundletest.WriteFile(t, c.at("etc/kubernetes/pki/apiserver.key"), bundletest.PrivatePEM(t, bundletest.Key(t)))
		}},
		"key damaged": {"etc/kubernetes/pki/apiserver.key", "not one PEM private key", func(c machine) {
			bundletest.WriteFile(t, c.at("etc/kubernetes/pki/apiserver.key"), []byte("secret words"))
		}},
		"other sa.key": {"etc/kubernetes/pki/sa.key", "does not belong to sa.pub", func(c machine) {
			bundletest.WriteFile(t, c.at("etc/kubernetes/pki/sa.key"), bundletest.PrivatePEM(t, bundletest.Key(t)))
		}},
		"other server": {"etc/kubernetes/admin.conf", "was changed", func(c machine) {
			config(c, func(k *kubeconfig.Config) { k.Server = "https://evil.test:6443" })
		}},
		"other key in admin.conf": {"etc/kubernetes/admin.conf", "does not belong to the certificate", func(c machine) {
			config(c, func(k *kubeconfig.Config) { k.Key = bundletest.PrivatePEM(t, bundletest.Key(t)) })
		}},
		"no key in admin.conf": {"etc/kubernetes/admin.conf", "holds no private key", func(c machine) {
			config(c, func(k *kubeconfig.Config) { k.Key = nil })
		}},
		"ca.key": {"etc/kubernetes/pki/ca.key", "belongs on no node", func(c machine) {
			bundletest.WriteFile(t, c.at("etc/kubernetes/pki/ca.key"), bundletest.PrivatePEM(t, p.Authorities[kubepki.KubernetesAuthority].Key))
		}},
		"a CA's key elsewhere": {"etc/kubernetes/tmp/backup", "is the private key of authority root", func(c machine) {
			bundletest.WriteFile(t, c.at("etc/kubernetes/tmp/backup"), bundletest.PrivatePEM(t, p.Root.Key))
		}},
		"state readable": {install.StateDir, "mode is 0755", func(c machine) { must(t, os.Chmod(c.State().Dir(), 0o755)) }},
		"identity readable": {install.StateDir + "/identity.txt", "mode is 0640", func(c machine) {
			must(t, os.Chmod(c.at(install.StateDir+"/identity.txt"), 0o640))
		}},
		"installed.tar changed": {install.StateDir + "/installed.tar", "differs", func(c machine) {
			at := c.at(install.StateDir + "/installed.tar")
			data, err := os.ReadFile(at)
			must(t, err)
			bundletest.WriteFile(t, at, append(data, 0))
		}},
		"another bundle in its place": {bundle.SumsFile, "on record", func(c machine) {
			data, err := p.Bundle(t, m.who, 1).Tar()
			must(t, err)
			bundletest.WriteFile(t, c.at(install.StateDir+"/installed.tar"), data)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			c2 := m.copy(t)
			c.spoil(c2)
			v, err := c2.Verify(install.VerifyOptions{Release: p.Release.Public()})
			must(t, err)
			for _, f := range v.Findings {
				if f.File == c.file && strings.Contains(f.Problem, c.want) {
					if strings.Contains(f.Problem, "secret words") {
						t.Error("a finding repeats a secret")
					}
					return
				}
			}
			t.Errorf("no finding %q about %s: %v", c.want, c.file, v.Findings)
		})
	}
}

func replaceByLink(t *testing.T, at string) {
	t.Helper()
	must(t, os.Rename(at, at+".moved"))
	must(t, os.Symlink(at+".moved", at))
}

func TestVerifyPins(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	m := newMachine(t, p, bundletest.Worker())
	v, err := m.Verify(install.VerifyOptions{Release: p.Release.Public()})
	must(t, err)
	if len(v.Findings) != 1 || !strings.Contains(v.Findings[0].Problem, "no bundle is installed") {
		t.Errorf("before an install: %v", v.Findings)
	}
	m.place(t, p, p.Bundle(t, m.who, 1))
	v, err = m.Verify(install.VerifyOptions{Release: bundletest.Key(t).Public()})
	must(t, err)
	if len(v.Findings) != 2 { // not the pinned key, not its signature
		t.Errorf("another release key: %v", v.Findings)
	}
	root := fingerprint.Of(p.Root.Certificate.Raw)
	if v, err = m.Verify(install.VerifyOptions{Release: p.Release.Public(), Root: &root}); err != nil || len(v.Findings) > 0 {
		t.Errorf("the right root: %v, %v", v.Findings, err)
	}
	other := fingerprint.Of([]byte("another"))
	if v, err = m.Verify(install.VerifyOptions{Release: p.Release.Public(), Root: &other}); err != nil || len(v.Findings) != 1 {
		t.Errorf("another root: %v, %v", v.Findings, err)
	}
	m.Now = func() time.Time { return bundletest.Now.AddDate(2, 0, 0) }
	if v, err = m.Verify(install.VerifyOptions{Release: p.Release.Public()}); err != nil || len(v.Findings) == 0 {
		t.Errorf("two years later: %v, %v", v.Findings, err)
	}
}

func TestStatus(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	m := newMachine(t, p, bundletest.First())
	before := tree(t, m.Root)
	s, err := m.Status()
	must(t, err)
	if s.Installed != nil || s.Pins != nil || s.Previous != nil || len(s.Requests) != 1 {
		t.Errorf("before an install: %+v", s)
	}
	if d := unlike(before, tree(t, m.Root)); len(d) > 0 {
		t.Errorf("status changed %v", d)
	}
	m.place(t, p, p.Bundle(t, m.who, 1))
	m.place(t, p, p.Bundle(t, m.who, 2))
	s, err = m.Status()
	must(t, err)
	if s.Installed.Sequence != 2 || s.Pins.HighestSequence != 2 || s.Previous.Sequence != 1 || len(s.Certificates) != len(m.who.Keys)+4 || len(s.Findings) > 0 {
		t.Errorf("%+v", s)
	}
	for _, c := range s.Certificates {
		want := 2
		if strings.HasSuffix(c.Name, "ca") {
			want = 1 // the second bundle brought it again
		}
		if c.Sequence != want || c.Ceremony != p.Ceremony || c.DaysLeft < 365 {
			t.Errorf("%+v, must be of sequence %d", c, want)
		}
	}
	bundletest.WriteFile(t, m.at("etc/kubernetes/pki/ca.crt"), nil)
	if s, err = m.Status(); err != nil || len(s.Findings) != 1 {
		t.Errorf("a changed file: %v, %v", s.Findings, err)
	}
	stranger := bundletest.New(t, p.Cluster).Root.Certificate
	bundletest.WriteFile(t, m.at("etc/kubernetes/pki/ca.crt"), bundletest.Certificates(stranger.Raw))
	s, err = m.Status()
	must(t, err)
	for _, c := range s.Certificates {
		if c.Name == "ca" && (c.Sequence != 0 || c.Subject != stranger.Subject.String()) {
			t.Errorf("another certificate in the place of one: %+v", c)
		}
	}
	if _, err := m.Rollback(false); err != nil {
		t.Fatal(err)
	}
	if s, err = m.Status(); err != nil || len(s.Findings) > 0 {
		t.Errorf("%+v, %v", s, err)
	}
	for _, c := range s.Certificates {
		if c.Sequence != 1 {
			t.Errorf("after the rollback: %+v", c)
		}
	}
}
