package install_test

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"errors"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"officiant/bundle"
	"officiant/bundle/bundletest"
	"officiant/bundle/durable"
	"officiant/bundle/install"
	"officiant/bundle/kubepki"
	"officiant/bundle/seal"
)

// refusal is a bundle, or a node, for which install says no and touches nothing.
// machine has sequence 2 installed unless bare.
type refusal struct {
	want  string // in the error
	bare  bool   // nothing was installed before
	build func(t *testing.T, p *bundletest.PKI, m *machine) *bundle.Bundle
}

func TestRefusedAndUntouched(t *testing.T) {
	plain := func(sequence int) func(*testing.T, *bundletest.PKI, *machine) *bundle.Bundle {
		return func(t *testing.T, p *bundletest.PKI, m *machine) *bundle.Bundle { return p.Bundle(t, m.who, sequence) }
	}
	// built builds sequence 3 out of changed parts.
	built := func(change func(t *testing.T, p *bundletest.PKI, m *machine, parts *bundle.Parts)) func(*testing.T, *bundletest.PKI, *machine) *bundle.Bundle {
		return func(t *testing.T, p *bundletest.PKI, m *machine) *bundle.Bundle {
			parts := p.Parts(t, m.who)
			change(t, p, m, &parts)
			b, err := bundle.Build(p.Header(m.who, 3), parts)
			must(t, err)
			p.Seal(t, b)
			return b
		}
	}
	// forged changes files of sequence 3 and signs them.
	forged := func(change func(b *bundle.Bundle)) func(*testing.T, *bundletest.PKI, *machine) *bundle.Bundle {
		return func(t *testing.T, p *bundletest.PKI, m *machine) *bundle.Bundle {
			b := bundletest.Clone(p.Bundle(t, m.who, 3))
			change(b)
			p.Reseal(t, b)
			return b
		}
	}
	// spoilt installs a good sequence 3 on a machine that is not right.
	spoilt := func(change func(t *testing.T, p *bundletest.PKI, m *machine)) func(*testing.T, *bundletest.PKI, *machine) *bundle.Bundle {
		return func(t *testing.T, p *bundletest.PKI, m *machine) *bundle.Bundle {
			b := p.Bundle(t, m.who, 3)
			change(t, p, m)
			return b
		}
	}
	for name, r := range map[string]refusal{
		"older sequence":               {want: "sequence 1 is older than 2", build: plain(1)},
		"another bundle of sequence 2": {want: "another bundle of sequence 2", build: plain(2)},
		"signature of another release key": {want: "SHA256SUMS.sig", build: func(t *testing.T, p *bundletest.PKI, m *machine) *bundle.Bundle {
			good := p.Release
			p.Release = bundletest.Key(t)
			b := p.Bundle(t, m.who, 3)
			p.Release = good
			return b
		}},
		"another release key": {want: "another release key than this node pinned", build: func(t *testing.T, p *bundletest.PKI, m *machine) *bundle.Bundle {
			p.Release = bundletest.Key(t)
			return p.Bundle(t, m.who, 3)
		}},
		"another root": {want: "not the root this node pinned", build: func(t *testing.T, p *bundletest.PKI, m *machine) *bundle.Bundle {
			other := bundletest.New(t, p.Cluster)
			other.Release = p.Release
			return other.Bundle(t, m.who, 3)
		}},
		"another node": {want: "is for node cp-2, but this node made its request as cp-1", build: func(t *testing.T, p *bundletest.PKI, m *machine) *bundle.Bundle {
			n := bundletest.First()
			n.Name = "cp-2"
			return p.Bundle(t, p.NewNode(t, n), 3)
		}},
		"another node, first": {bare: true, want: "is for node cp-2", build: func(t *testing.T, p *bundletest.PKI, m *machine) *bundle.Bundle {
			n := bundletest.First()
			n.Name = "cp-2"
			return p.Bundle(t, p.NewNode(t, n), 1)
		}},
		"another node, by its pins": {want: "this is node cp-1 of cluster demo", build: func(t *testing.T, p *bundletest.PKI, m *machine) *bundle.Bundle {
			must(t, os.Remove(m.at(install.StateDir+"/cp-1.req")))
			n := bundletest.First()
			n.Name = "cp-2"
			return p.Bundle(t, p.NewNode(t, n), 3)
		}},
		"another node's keys": {bare: true, want: "another key than this node's apiserver", build: func(t *testing.T, p *bundletest.PKI, m *machine) *bundle.Bundle {
			return p.Bundle(t, p.NewNode(t, bundletest.First()), 1)
		}},
		"one certificate for another key": {want: "pki/front-proxy-client.crt: was made for another key", build: built(func(t *testing.T, p *bundletest.PKI, m *machine, parts *bundle.Parts) {
			other := p.Parts(t, p.NewNode(t, bundletest.First()))
			parts.Leaves["front-proxy-client"] = other.Leaves["front-proxy-client"]
		})},
		"another cluster": {want: "cluster prod", build: func(t *testing.T, p *bundletest.PKI, m *machine) *bundle.Bundle {
			p.Cluster.Name = "prod"
			return p.Bundle(t, m.who, 3)
		}},
		"rehearsal": {want: "not for use", build: forged(func(b *bundle.Bundle) { b.Rehearsal = true })},
		"expired": {want: "expired at", build: spoilt(func(_ *testing.T, _ *bundletest.PKI, m *machine) {
			m.Now = func() time.Time { return bundletest.Now.AddDate(2, 0, 0) }
		})},
		"clock before its time": {want: "is not valid before", build: spoilt(func(_ *testing.T, _ *bundletest.PKI, m *machine) {
			m.Now = func() time.Time { return bundletest.Now.AddDate(-2, 0, 0) }
		})},
		"file changed, sums kept": {want: "does not say what the bundle holds", build: func(t *testing.T, p *bundletest.PKI, m *machine) *bundle.Bundle {
			b := bundletest.Clone(p.Bundle(t, m.who, 3))
			b.Files["pki/sa.pub"] = bundletest.PublicPEM(t, bundletest.Key(t).Public())
			return b
		}},
		"root in ca.crt": {want: "leaves of every authority", build: forged(func(b *bundle.Bundle) {
			b.Files["pki/ca.crt"] = append(b.Files["pki/ca.crt"], b.Files[bundle.RootFile]...)
		})},
		"wrong EKU": {want: "extended key usage", build: built(func(t *testing.T, p *bundletest.PKI, m *machine, parts *bundle.Parts) {
			for _, l := range p.Leaves(t, m.who.Node) {
				if l.Name == "apiserver" {
					c, ca := bundletest.LeafTemplate(l), p.Authorities[l.Authority]
					c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
					parts.Leaves[l.Name] = bundletest.Sign(t, c, ca.Certificate, m.who.Keys[l.Name].Public(), ca.Key)
				}
			}
		})},
		"sa.key of others": {want: "not sealed to this node", build: built(func(t *testing.T, p *bundletest.PKI, m *machine, parts *bundle.Parts) {
			parts.ServiceAccountSealed = sealed(t, p.NewNode(t, bundletest.Worker()).Recipient, bundletest.PrivatePEM(t, p.Account))
		})},
		"sa.key of another pair": {want: "does not belong to sa.pub", build: built(func(t *testing.T, _ *bundletest.PKI, m *machine, parts *bundle.Parts) {
			parts.ServiceAccountSealed = sealed(t, m.who.Recipient, bundletest.PrivatePEM(t, bundletest.Key(t)))
		})},
		"sa.key is no key": {want: "not one PEM private key", build: built(func(t *testing.T, p *bundletest.PKI, m *machine, parts *bundle.Parts) {
			parts.ServiceAccountSealed = sealed(t, m.who.Recipient, []byte("secret words"))
		})},
		"no keys on the node": {bare: true, want: "this node has no key admin.conf", build: spoilt(func(t *testing.T, _ *bundletest.PKI, m *machine) {
			must(t, os.RemoveAll(m.at(install.StateDir+"/keys")))
		})},
		"no identity": {bare: true, want: "identity.txt", build: spoilt(func(t *testing.T, _ *bundletest.PKI, m *machine) {
			must(t, os.Remove(m.at(install.StateDir+"/identity.txt")))
		})},
		"a damaged key": {want: "apiserver.key: not one PEM private key", build: spoilt(func(t *testing.T, _ *bundletest.PKI, m *machine) {
			bundletest.WriteFile(t, m.at(install.StateDir+"/keys/apiserver.key"), []byte("secret words"))
		})},
		"ca.key on the node": {bare: true, want: "etc/kubernetes/pki/ca.key: a CA's private key belongs on no node", build: spoilt(func(t *testing.T, p *bundletest.PKI, m *machine) {
			bundletest.WriteFile(t, m.at("etc/kubernetes/pki/ca.key"), []byte("whatever"))
		})},
		"a CA's key by another name": {want: "notes.txt: is the private key of authority etcd", build: spoilt(func(t *testing.T, p *bundletest.PKI, m *machine) {
			bundletest.WriteFile(t, m.at("etc/kubernetes/notes.txt"), bundletest.PrivatePEM(t, p.Authorities[kubepki.EtcdAuthority].Key))
		})},
		"ca.key as a link": {bare: true, want: "etc/kubernetes/pki/ca.key: a CA's private key belongs on no node", build: spoilt(func(t *testing.T, p *bundletest.PKI, m *machine) {
			must(t, os.MkdirAll(m.at("etc/kubernetes/pki"), 0o755))
			bundletest.WriteFile(t, m.at("srv/ca.key"), []byte("whatever"))
			must(t, os.Symlink(m.at("srv/ca.key"), m.at("etc/kubernetes/pki/ca.key")))
		})},
		"a CA's key behind a link": {want: "notes.txt: is the private key of authority etcd", build: spoilt(func(t *testing.T, p *bundletest.PKI, m *machine) {
			bundletest.WriteFile(t, m.at("srv/key"), bundletest.PrivatePEM(t, p.Authorities[kubepki.EtcdAuthority].Key))
			must(t, os.Symlink(m.at("srv/key"), m.at("etc/kubernetes/notes.txt")))
		})},
		"ca.key below a linked folder": {bare: true, want: "etc/kubernetes/pki/ca.key: a CA's private key belongs on no node", build: spoilt(func(t *testing.T, p *bundletest.PKI, m *machine) {
			bundletest.WriteFile(t, m.at("srv/pki/ca.key"), []byte("whatever"))
			must(t, os.Symlink(m.at("srv/pki"), m.at("etc/kubernetes/pki")))
		})},
		"a link in the place of a file": {bare: true, want: "is not a plain file", build: spoilt(func(t *testing.T, _ *bundletest.PKI, m *machine) {
			must(t, os.MkdirAll(m.at("etc/kubernetes/pki"), 0o755))
			must(t, os.Symlink("/etc/hostname", m.at("etc/kubernetes/pki/ca.crt")))
		})},
		"a folder in the place of a file": {bare: true, want: "is not a plain file", build: spoilt(func(t *testing.T, _ *bundletest.PKI, m *machine) {
			must(t, os.MkdirAll(m.at("etc/kubernetes/admin.conf/x"), 0o755))
		})},
		"damaged pins": {want: "pins.json", build: spoilt(func(t *testing.T, _ *bundletest.PKI, m *machine) {
			bundletest.WriteFile(t, m.at(pins), []byte(`{"rootSHA256": ""}`))
		})},
		"pins with an unknown field": {want: "unknown field", build: spoilt(func(t *testing.T, _ *bundletest.PKI, m *machine) {
			data, err := os.ReadFile(m.at(pins))
			must(t, err)
			bundletest.WriteFile(t, m.at(pins), bytes.Replace(data, []byte(`"kind"`), []byte(`"more": 1, "kind"`), 1))
		})},
		"a journal that leads elsewhere": {want: "names", build: spoilt(func(t *testing.T, _ *bundletest.PKI, m *machine) {
			bundletest.WriteFile(t, m.at(install.StateDir+"/journal.json"), []byte(`{"apiVersion": "officiant/v1", "kind": "InstallJournal", "operation": "install",
				"started": "2026-11-23T12:00:00Z", "moves": [], "removals": ["etc/../usr/bin/env"]}`))
		})},
		"a journal of another kind": {want: "journal.json", build: spoilt(func(t *testing.T, _ *bundletest.PKI, m *machine) {
			bundletest.WriteFile(t, m.at(install.StateDir+"/journal.json"), []byte(`{}`))
		})},
	} {
		t.Run(name, func(t *testing.T) {
			p := bundletest.New(t, bundletest.Cluster())
			m := newMachine(t, p, bundletest.First())
			if !r.bare {
				m.place(t, p, p.Bundle(t, m.who, 2))
			}
			b := r.build(t, p, &m)
			m.refuses(t, p, b, r.want)
		})
	}
}

func sealed(t *testing.T, recipient string, secret []byte) []byte {
	t.Helper()
	data, err := seal.Seal([]string{recipient}, secret)
	must(t, err)
	return data
}

// Nothing that was read as a secret is repeated to whoever sees the error.
func TestErrorsTellNoSecret(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	m := newMachine(t, p, bundletest.First())
	parts := p.Parts(t, m.who)
	parts.ServiceAccountSealed = sealed(t, m.who.Recipient, []byte("secret words"))
	b, err := bundle.Build(p.Header(m.who, 1), parts)
	must(t, err)
	p.Seal(t, b)
	_, err = m.Install(b, install.Options{Release: p.Release.Public()})
	if err == nil || strings.Contains(err.Error(), "secret words") || strings.Contains(err.Error(), m.who.Identity) {
		t.Errorf("error %v", err)
	}
}

func TestOneInstallAtATime(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	m := newMachine(t, p, bundletest.Worker())
	b := p.Bundle(t, m.who, 1)
	f, err := os.Open(m.State().Dir())
	must(t, err)
	defer f.Close()
	must(t, syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB))
	m.refuses2(t, func() error { _, err := m.Install(b, install.Options{Release: p.Release.Public()}); return err })
	m.refuses2(t, func() error { _, err := m.Rollback(false); return err })
	m.refuses2(t, func() error { _, err := m.Hold(); return err })
}

// refuses2 demands an error about the lock and an untouched machine.
func (m machine) refuses2(t *testing.T, act func() error) {
	t.Helper()
	before := tree(t, m.Root)
	if err := act(); err == nil || !strings.Contains(err.Error(), "another install, rollback, sync or request") {
		t.Errorf("error %v", err)
	}
	if d := unlike(before, tree(t, m.Root)); len(d) > 0 {
		t.Errorf("it changed %v", d)
	}
}

func TestNodeWithoutState(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	m := newMachine(t, p, bundletest.Worker())
	b := p.Bundle(t, m.who, 1)
	bare := &install.Node{Root: t.TempDir(), Disk: &durable.Disk{}, Now: m.Now}
	if _, err := bare.Install(b, install.Options{Release: p.Release.Public()}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("install: %v", err)
	}
	if len(tree(t, bare.Root)) != 1 {
		t.Error("something was made")
	}
}

func TestState(t *testing.T) {
	s := install.OpenState(t.TempDir(), &durable.Disk{})
	must(t, s.Init())
	info, err := os.Stat(s.Dir())
	must(t, err)
	if info.Mode().Perm() != 0o700 {
		t.Errorf("the state directory has mode %o", info.Mode().Perm())
	}
	if _, err := s.Identity(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an identity that is not there: %v", err)
	}
	must(t, s.WriteIdentity("AGE-SECRET-KEY-1TEST", "age1test"))
	if err := s.WriteIdentity("AGE-SECRET-KEY-1OTHER", "age1other"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second identity: %v", err)
	}
	identity, err := s.Identity()
	must(t, err)
	recipient, err := s.Recipient()
	must(t, err)
	if identity != "AGE-SECRET-KEY-1TEST" || recipient != "age1test" {
		t.Errorf("read back %q, %q", identity, recipient)
	}
	for _, name := range []string{"../x", "/x", "", "a//b", "."} {
		if err := s.WriteKey(name, bundletest.Key(t)); err == nil {
			t.Errorf("a key named %q was stored", name)
		}
		if _, err := s.Key(name); err == nil {
			t.Errorf("a key named %q was read", name)
		}
	}
	for name, key := range map[string]crypto.Signer{"etcd/server": bundletest.Key(t), "admin.conf": bundletest.RSAKey(t, 2048)} {
		must(t, s.WriteKey(name, key))
		if err := s.WriteKey(name, key); !errors.Is(err, fs.ErrExist) {
			t.Errorf("a second key %s: %v", name, err)
		}
		got, err := s.Key(name)
		must(t, err)
		if !got.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(key.Public()) {
			t.Errorf("key %s came back as another", name)
		}
	}
	for path, content := range files(t, s.Dir()) {
		if !strings.HasPrefix(content, "-rw-------") {
			t.Errorf("%s has %s", path, content[:10])
		}
	}
	if p, err := s.Pins(); p != nil || err != nil {
		t.Errorf("pins before an install: %v, %v", p, err)
	}
}
