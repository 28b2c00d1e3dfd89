package install_test

import (
	"math/big"
	"os"
	"slices"
	"strings"
	"testing"

	"officiant/bundle"
	"officiant/bundle/bundletest"
	"officiant/bundle/install"
	"officiant/bundle/kubepki"
)

// TestRevocationList follows etcd's list through an install, a change and a look.
func TestRevocationList(t *testing.T) {
	const path, full = "pki/etcd/ca.crl", "etc/kubernetes/pki/etcd/ca.crl"
	c := bundletest.Cluster()
	c.RevocationLists = true
	p := bundletest.New(t, c)
	m := newMachine(t, p, bundletest.First())
	parts := p.Parts(t, m.who)
	build := func(sequence int) *bundle.Bundle {
		b, err := bundle.Build(p.Header(m.who, sequence), parts)
		must(t, err)
		p.Seal(t, b)
		return b
	}
	m.place(t, p, build(1))
	info, err := os.Stat(m.at(full))
	must(t, err)
	if info.Mode().Perm() != 0o644 {
		t.Errorf("mode %o", info.Mode())
	}
	s, err := m.Status()
	must(t, err)
	if l := s.Revocations; l == nil || l.File != full || l.Number != "1" || len(l.Revoked) != 0 || l.DaysLeft != 92 || !strings.HasSuffix(l.String(), "revokes nothing") {
		t.Errorf("status: %+v", l)
	}

	parts.RevocationList = p.Authorities[kubepki.EtcdAuthority].List(t, 2, bundletest.Now, big.NewInt(0x5b2f))
	two := build(2)
	must(t, os.WriteFile(m.at("etc/kubernetes/manifests/etcd.yaml"), []byte(etcdManifest), 0o600))
	r, err := m.Install(two, install.Options{Release: p.Release.Public(), DryRun: true})
	must(t, err)
	for _, want := range []string{"changed\n", "number: 1 -> 2", "revoked:  -> 5b2f"} {
		if got := differs(t, r, full); !strings.Contains(got, want) {
			t.Errorf("no %q in %s", want, got)
		}
	}
	// The list alone is new, and etcd notices it by itself.
	if len(r.Notices) != 1 || r.Notices[0].Component != "etcd" || len(r.Notices[0].Restart) > 0 || !slices.Equal(r.Notices[0].Live, []string{path}) {
		t.Errorf("notices: %v", r.Notices)
	}
	m.place(t, p, two)
	if s, err = m.Status(); err != nil || len(s.Findings) > 0 || !strings.Contains(s.Revocations.String(), "revokes 1: 5b2f") {
		t.Errorf("status: %v, %v, %v", err, s.Findings, s.Revocations)
	}

	// One who puts the previous list back is found out.
	must(t, os.WriteFile(m.at(full), p.Authorities[kubepki.EtcdAuthority].List(t, 1, bundletest.Now), 0o644))
	if s, err = m.Status(); err != nil || len(s.Findings) != 1 || !strings.Contains(s.Findings[0].String(), "ca.crl: was changed") {
		t.Errorf("put back: %v, %v", err, s.Findings)
	}
	must(t, os.Remove(m.at(full)))
	if s, err = m.Status(); err != nil || len(s.Findings) != 1 || !strings.Contains(s.Findings[0].String(), "ca.crl: missing") || s.Revocations != nil {
		t.Errorf("removed: %v, %v", err, s.Findings)
	}
}

// etcdManifest is a static pod's, with the flags for revocation lists.
const etcdManifest = `    - etcd
    - --client-crl-file=/etc/kubernetes/pki/etcd/ca.crl
    - --peer-crl-file=/etc/kubernetes/pki/etcd/ca.crl
`
