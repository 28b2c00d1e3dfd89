package install_test

import (
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"officiant/bundle"
	"officiant/bundle/bundletest"
	"officiant/bundle/durable"
	"officiant/bundle/install"
)

// told wants an error of these words.
func told(t *testing.T, what string, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%s: %v\nwant %s", what, err, want)
	}
}

// interruptions are copies of a machine on which something died, and left a journal.
func (m machine) interruptions(t *testing.T, act func(m machine) error) iter.Seq[machine] {
	return func(yield func(machine) bool) {
		for n := 1; ; n++ {
			c := m.copy(t)
			c.Disk = dyingDisk(n, true)
			if err := act(c); err == nil {
				return
			}
			c.Disk = &durable.Disk{}
			if _, err := os.Stat(c.at(journal)); err == nil && !yield(c) {
				return
			}
		}
	}
}

// TestInterruptedFirst: what is interrupted is finished before anything else, and cannot
// be put back without what it replaced.
func TestInterruptedFirst(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	m := newMachine(t, p, bundletest.Worker())
	m.place(t, p, p.Bundle(t, m.who, 1))
	b := p.Bundle(t, m.who, 2)
	installs := func(m machine) error {
		_, err := m.Install(b, install.Options{Release: p.Release.Public()})
		return err
	}
	rollsBack := func(m machine) error { _, err := m.Rollback(false); return err }
	for c := range m.interruptions(t, installs) {
		_, err := c.Hold()
		told(t, "hold", err, "an interrupted install has to be finished first: run install or rollback")
		_, err = c.Rollback(true)
		told(t, "a dry run", err, "an interrupted install has to be finished first, which a dry run does not")
		must(t, rollsBack(c))
		release, err := c.Hold()
		must(t, err)
		release()
		break
	}
	const want = "cannot be put back: what was there before is gone"
	for c := range m.interruptions(t, installs) {
		for _, path := range temps(t, c.Root) {
			must(t, os.RemoveAll(c.at(path)))
		}
		if err := rollsBack(c); err != nil && strings.Contains(err.Error(), want) {
			return
		}
	}
	t.Errorf("nobody says that something %s", want)
}

// TestShareRefused is the catalogue of why a service-account key is not shared.
func TestShareRefused(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	first := newMachine(t, p, bundletest.First())
	const saKey = "etc/kubernetes/pki/sa.key"
	_, err := first.Share(first.who.Recipient)
	told(t, "nothing installed", err, "no bundle is installed below "+first.Root)
	first.place(t, p, p.Bundle(t, first.who, 1))
	written := func(data []byte) func(string) error {
		return func(at string) error { return os.WriteFile(at, data, 0o600) }
	}
	for name, row := range map[string]struct {
		change func(at string) error
		says   string
	}{
		"no key": {os.Remove, "sa.key is missing"},
		"another's key": {written(bundletest.PrivatePEM(t, bundletest.Key(t))),
			"does not belong to sa.pub; it is not shared"},
		"what is no key":   {written([]byte("x")), "sa.key: "},
		"as it was placed": {func(string) error { return nil }, ""},
	} {
		m := first.copy(t)
		must(t, row.change(m.at(saKey)))
		_, err := m.Share(m.who.Recipient)
		if row.says == "" {
			must(t, err)
			continue
		}
		told(t, name, err, row.says)
	}
	worker := newMachine(t, p, bundletest.Worker())
	worker.place(t, p, p.Bundle(t, worker.who, 1))
	_, err = worker.Share(first.who.Recipient)
	told(t, "a worker", err, "node worker-1 is no control-plane node")
}

// TestStateRefused is the catalogue of a state directory that is not as it was written.
func TestStateRefused(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	whole := newMachine(t, p, bundletest.Worker())
	whole.place(t, p, p.Bundle(t, whole.who, 1))
	write := func(m machine, name, text string) {
		must(t, os.WriteFile(filepath.Join(m.State().Dir(), name), []byte(text), 0o600))
	}
	m := whole.copy(t)
	write(m, "identity.txt", "# recipient: "+m.who.Recipient+"\n")
	_, err := m.State().Identity()
	told(t, "no identity", err, "identity.txt holds no identity")
	m = whole.copy(t)
	must(t, os.Remove(filepath.Join(m.State().Dir(), "identity.txt")))
	must(t, m.State().WriteSSHIdentity(m.at("etc/ssh/none"), "ssh-ed25519 AAAA"))
	_, err = m.State().Identity()
	told(t, "no such host key", err, "the SSH key that "+filepath.Join(m.State().Dir(), "identity.txt")+" names: open ")

	m = whole.copy(t)
	pins, err := os.ReadFile(filepath.Join(m.State().Dir(), "pins.json"))
	must(t, err)
	write(m, "pins.json", string(pins)+"{}")
	_, err = m.State().Pins()
	told(t, "pins twice", err, "text after the document")
	write(m, "pins.json", string(pins)+"\n\n")
	_, err = m.State().Pins()
	must(t, err)

	for n := range 1000 {
		must(t, os.Mkdir(filepath.Join(m.State().Dir(), fmt.Sprintf("keys-%d", n+1)), 0o700))
	}
	_, err = m.State().SetKeysAside()
	told(t, "a thousand", err, "has 1000 folders of former keys; take away what nothing uses")
	must(t, os.Remove(filepath.Join(m.State().Dir(), "keys-500")))
	if to, err := m.State().SetKeysAside(); err != nil || filepath.Base(to) != "keys-500" {
		t.Errorf("one of them is free: %s, %v", to, err)
	}

	m = whole.copy(t)
	must(t, os.Symlink("pins.json", filepath.Join(m.State().Dir(), "link.json")))
	v, err := m.Verify(install.VerifyOptions{Release: p.Release.Public()})
	must(t, err)
	if !slices.ContainsFunc(v.Findings, func(f bundle.Finding) bool { return f.Problem == "is a link, not a file" }) {
		t.Errorf("a link among secrets: %v", v.Findings)
	}
}

// TestAnothersBundle: a bundle in place that was copied from another node.
func TestAnothersBundle(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	mine, other := newMachine(t, p, bundletest.Worker()), newMachine(t, p, bundletest.First())
	mine.place(t, p, p.Bundle(t, mine.who, 1))
	other.place(t, p, p.Bundle(t, other.who, 1))
	data, err := os.ReadFile(filepath.Join(other.State().Dir(), "installed.tar"))
	must(t, err)
	must(t, os.WriteFile(filepath.Join(mine.State().Dir(), "installed.tar"), data, 0o600))
	v, err := mine.Verify(install.VerifyOptions{Release: p.Release.Public()})
	const want = "is for node cp-1 of cluster demo; this is node worker-1 of cluster demo"
	if err != nil || !slices.ContainsFunc(v.Findings, func(f bundle.Finding) bool { return f.Problem == want }) {
		t.Errorf("%v, %v", err, v)
	}
}

// TestNoKeyInAConfig: a key that is neither in the state directory nor in the kubeconfig
// is missing, and not unreadable.
func TestNoKeyInAConfig(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	m := newMachine(t, p, bundletest.Worker())
	b := p.Bundle(t, m.who, 1)
	must(t, os.Remove(filepath.Join(m.State().Dir(), "keys", "kubelet.conf.key")))
	_, err := m.Install(b, install.Options{Release: p.Release.Public()})
	told(t, "no kubeconfig", err, "this node has no key kubelet.conf")
	config := "apiVersion: v1\nkind: Config\nclusters: [{name: demo, cluster: {server: 'https://a.test:6443'}}]\n" +
		"contexts: [{name: c, context: {cluster: demo, user: u}}]\ncurrent-context: c\nusers: [{name: u, user: {}}]\n"
	must(t, os.WriteFile(m.at("etc/kubernetes/kubelet.conf"), []byte(config), 0o600))
	_, err = m.Install(b, install.Options{Release: p.Release.Public()})
	told(t, "one without a key", err, "this node has no key kubelet.conf")
	must(t, os.WriteFile(m.at("etc/kubernetes/kubelet.conf"), []byte("users: 1\n"), 0o600))
	_, err = m.Install(b, install.Options{Release: p.Release.Public()})
	told(t, "what is no kubeconfig", err, "kubelet.conf:1:")
}
