package install_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"officiant/bundle/bundletest"
	"officiant/bundle/durable"
	"officiant/bundle/install"
	"officiant/bundle/kubeconfig"
	treeof "officiant/bundle/tree"
)

const (
	kubeletPKI    = "var/lib/kubelet/pki/"
	kubeletPEM    = kubeletPKI + "kubelet-client-current.pem"
	kubeletConfig = "var/lib/kubelet/config.yaml"
	kubeletFlags  = "var/lib/kubelet/kubeadm-flags.env"
)

// startKubelet does what a kubelet does at its start: one that rotates copies what its
// kubeconfig holds, unless it has a certificate of its own. It returns what it uses.
func (m machine) startKubelet(t *testing.T, dated string) string {
	t.Helper()
	if data, err := treeof.At(m.Root).ReadFile(m.at(kubeletPEM)); err == nil {
		return string(data)
	}
	data, err := os.ReadFile(m.at("etc/kubernetes/kubelet.conf"))
	must(t, err)
	k, err := kubeconfig.Parse("kubelet.conf", data)
	must(t, err)
	own := string(k.Certificate) + string(k.Key)
	if s, err := m.Status(); err != nil || !s.Kubelet.Rotates {
		must(t, err)
		return own
	}
	must(t, os.MkdirAll(m.at(kubeletPKI), 0o755))
	must(t, os.WriteFile(m.at(kubeletPKI+"kubelet-client-"+dated+".pem"), []byte(own), 0o600))
	// The kubelet writes the whole path into the link.
	must(t, os.Symlink("/"+kubeletPKI+"kubelet-client-"+dated+".pem", m.at(kubeletPEM)))
	return own
}

func (m machine) rotates(t *testing.T, yes bool) {
	t.Helper()
	text := "kind: KubeletConfiguration\nrotateCertificates: false\n"
	if yes {
		text = strings.Replace(text, "false", "true", 1)
	}
	bundletest.WriteFile(t, m.at(kubeletConfig), []byte(text))
}

// installed is certificate and key of the kubelet.conf that was installed.
func (m machine) installed(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(m.at("etc/kubernetes/kubelet.conf"))
	must(t, err)
	k, err := kubeconfig.Parse("kubelet.conf", data)
	must(t, err)
	return string(k.Certificate) + string(k.Key)
}

func (m machine) kubeletFindings(t *testing.T, p *bundletest.PKI) []string {
	t.Helper()
	v, err := m.Verify(install.VerifyOptions{Release: p.Release.Public()})
	must(t, err)
	s, err := m.Status()
	must(t, err)
	var list []string
	for _, f := range v.Findings {
		list = append(list, f.String())
	}
	if len(s.Findings) != len(list) || (s.Kubelet.Instead != nil) != (len(list) > 0) {
		t.Errorf("verify finds %v, status %v and %+v", list, s.Findings, s.Kubelet)
	}
	return list
}

// A kubelet that rotates goes on with what it was given first; an install moves that
// aside, and a rollback brings it back.
func TestInstallReachesTheKubelet(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	m := newMachine(t, p, bundletest.Worker())
	m.rotates(t, true)
	m.place(t, p, p.Bundle(t, m.who, 1))
	first := m.startKubelet(t, "1")
	if f := m.kubeletFindings(t, p); len(f) > 0 || first != m.installed(t) {
		t.Errorf("after the first install: %v", f)
	}
	next := p.Bundle(t, m.who, 2)
	r, err := m.Install(next, install.Options{Release: p.Release.Public(), DryRun: true})
	must(t, err)
	if r.Kubelet.Instead == nil || r.Kubelet.Instead.File != kubeletPEM || !slices.Equal(r.Aside, []string{kubeletPEM}) {
		t.Errorf("a dry run says %+v, %v", r.Kubelet, r.Aside)
	}
	if got := m.startKubelet(t, "1"); got != first {
		t.Error("a dry run changed what the kubelet uses")
	}
	r = m.place(t, p, next)
	if len(r.Notices) != 1 || r.Notices[0].Component != "kubelet" ||
		!slices.Contains(r.Notices[0].Restart, "/"+kubeletPEM) {
		t.Errorf("notices %v", r.Notices)
	}
	second := m.startKubelet(t, "2")
	if second != m.installed(t) || second == first {
		t.Error("the kubelet does not use what was installed")
	}
	m.sound(t, p)
	if _, err := m.Rollback(false); err != nil {
		t.Fatal(err)
	}
	if got := m.startKubelet(t, "3"); got != first {
		t.Error("after the rollback the kubelet does not use what it used before")
	}
	if f := m.kubeletFindings(t, p); len(f) > 0 {
		t.Errorf("after the rollback: %v", f)
	}
	m.place(t, p, next)
	if got := m.startKubelet(t, "4"); got != second {
		t.Error("forward again, the kubelet does not use what was installed")
	}
}

// A kubelet that began to rotate only with the bundle that is rolled back does not go
// on with its certificate.
func TestRollbackReachesTheKubelet(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	m := newMachine(t, p, bundletest.Worker())
	m.rotates(t, false)
	m.place(t, p, p.Bundle(t, m.who, 1))
	first := m.installed(t)
	m.place(t, p, p.Bundle(t, m.who, 2))
	m.rotates(t, true)
	if m.startKubelet(t, "1") == first {
		t.Fatal("the kubelet uses what was installed before")
	}
	r, err := m.Rollback(false)
	must(t, err)
	if len(r.Aside) != 1 || len(r.Notices) != 1 || m.startKubelet(t, "2") != first {
		t.Errorf("after the rollback: %v, %v", r.Aside, r.Notices)
	}
	m.sound(t, p)
}

// What a kubelet uses in place of what is installed is named, and what makes it do so.
func TestKubeletThatUsesSomethingElse(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	m := newMachine(t, p, bundletest.Worker())
	m.place(t, p, p.Bundle(t, m.who, 1))
	m.rotates(t, true)
	m.startKubelet(t, "1")
	next := p.Bundle(t, m.who, 2)
	m.place(t, p, next)
	before, err := filepath.Glob(m.at(kubeletPEM + ".before-2"))
	must(t, err)
	must(t, os.Rename(before[0], m.at(kubeletPEM))) // as if nothing had moved it
	flagged := func(text string) func(m machine) {
		return func(m machine) { bundletest.WriteFile(t, m.at(kubeletFlags), []byte(text)) }
	}
	for name, c := range map[string]struct {
		spoil func(m machine)
		want  string
	}{
		"rotates":      {func(machine) {}, "rotateCertificates: true in " + kubeletConfig},
		"by flag":      {flagged(`A="--rotate-certificates"`), "--rotate-certificates=true in " + kubeletFlags},
		"nothing says": {func(m machine) { must(t, os.Remove(m.at(kubeletConfig))) }, "nothing says that it does not"},
		"damaged": {func(m machine) {
			bundletest.WriteFile(t, m.at(kubeletPKI+"kubelet-client-1.pem"), nil)
		}, "is empty"},
		"gone":            {func(m machine) { must(t, os.Remove(m.at(kubeletPKI+"kubelet-client-1.pem"))) }, kubeletPEM},
		"flag says not":   {flagged(`A="--rotate-certificates=false"`), ""},
		"config says not": {func(m machine) { m.rotates(t, false) }, ""},
		"no config": {func(m machine) {
			bundletest.WriteFile(t, m.at(kubeletConfig), []byte("kind: Pod\n"))
		}, "cannot be told"},
	} {
		t.Run(name, func(t *testing.T) {
			c2 := m.copy(t)
			c.spoil(c2)
			v, err := c2.Verify(install.VerifyOptions{Release: p.Release.Public()})
			must(t, err)
			switch {
			case c.want == "" && len(v.Findings) > 0:
				t.Errorf("findings %v", v.Findings)
			case c.want != "" && (len(v.Findings) != 1 || v.Findings[0].File != "etc/kubernetes/kubelet.conf" ||
				!strings.Contains(v.Findings[0].Problem, c.want)):
				t.Errorf("findings %v, want one that has %q", v.Findings, c.want)
			}
			if name == "no config" || c.want == "" {
				return
			}
			c2.place(t, p, next) // the same again puts it right
			c2.sound(t, p)
		})
	}
}

// Killed at any moment, the kubelet has its certificate of before or is to take the
// installed one; the next run finishes.
func TestKilledWhileMovingAside(t *testing.T) {
	t.Parallel()
	p := bundletest.New(t, bundletest.Cluster())
	m := newMachine(t, p, bundletest.Worker())
	m.rotates(t, true)
	m.place(t, p, p.Bundle(t, m.who, 1))
	m.startKubelet(t, "1")
	second := p.Bundle(t, m.who, 2)
	for _, back := range []bool{false, true} {
		base := m.copy(t)
		if back {
			base.place(t, p, second)
			base.startKubelet(t, "2")
		}
		for n := 1; ; n++ {
			c := base.copy(t)
			act := func() error {
				if back {
					_, err := c.Rollback(false)
					return err
				}
				_, err := c.Install(second, install.Options{Release: p.Release.Public()})
				return err
			}
			c.Disk = dyingDisk(n, true)
			if err := act(); err == nil {
				break
			}
			c.Disk = &durable.Disk{}
			if err := act(); err != nil && !strings.Contains(err.Error(), "nothing to go back to") {
				t.Fatalf("back %t, operation %d: %v", back, n, err)
			}
			if c.startKubelet(t, "3") != c.installed(t) {
				t.Fatalf("back %t, operation %d: the kubelet does not use what is in place", back, n)
			}
			c.sound(t, p)
		}
	}
}
