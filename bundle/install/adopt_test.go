package install_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"officiant/bundle"
	"officiant/bundle/bundletest"
	"officiant/bundle/durable"
	"officiant/bundle/install"
	"officiant/bundle/kubepki"
	"officiant/bundle/privatekey"
)

// running is a control-plane node of a cluster that kubeadm made, and what its
// request leaves in the state directory.
func running(t *testing.T, p *bundletest.PKI, n kubepki.Node,
	former map[kubepki.Authority]bundletest.Authority) machine {
	t.Helper()
	m := newMachine(t, p, n)
	p.WriteFormer(t, m.Root, m.who, former)
	return m
}

// TestAdoptedInStages takes a node through the three stages. The keys of kubeadm's
// authorities may lie there until the last, whose bundle is refused while they do.
func TestAdoptedInStages(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	former := p.Former(t)
	m := running(t, p, bundletest.First(), former)
	s, err := m.Standing(p.Cluster, m.who.Node)
	must(t, err)
	if len(s.Authorities) != 3 || len(s.Leaves) != len(p.Leaves(t, m.who.Node)) {
		t.Errorf("found %d authorities, %d leaves", len(s.Authorities), len(s.Leaves))
	}
	key, err := privatekey.Parse(s.AccountKey)
	if err != nil || !key.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(p.Account.Public()) {
		t.Errorf("sa.key: %v", err)
	}
	sa := files(t, m.Root)["etc/kubernetes/pki/sa.key"]
	left := []string{"etc/kubernetes/pki/ca.key", "etc/kubernetes/pki/etcd/ca.key",
		"etc/kubernetes/pki/front-proxy-ca.key"}
	for sequence, parts := range []bundle.Parts{p.TrustParts(t, m.who, former), p.IssueParts(t, m.who, former)} {
		if sequence == 0 {
			for name, u := range s.Leaves {
				parts.Leaves[name] = u.Chain[0]
			}
		}
		r := m.place(t, p, p.BundleOfParts(t, m.who, sequence+1, parts))
		if !slices.Equal(r.Left, left) {
			t.Errorf("stage %d: authorities' keys left: %q", sequence+1, r.Left)
		}
		v, err := m.Verify(install.VerifyOptions{Release: p.Release.Public()})
		must(t, err)
		if len(v.Findings) > 0 || !slices.Equal(v.Left, left) {
			t.Errorf("stage %d: %v, left %q", sequence+1, v.Findings, v.Left)
		}
		status, err := m.Status()
		must(t, err)
		if len(status.Findings) > 0 || !slices.Equal(status.AdoptedKeys, left) {
			t.Errorf("stage %d: status: %v, left %q", sequence+1, status.Findings, status.AdoptedKeys)
		}
	}
	if got := files(t, m.Root)["etc/kubernetes/pki/sa.key"]; got != sa {
		t.Error("sa.key is not as it was")
	}
	must(t, os.Rename(m.at("etc/kubernetes/pki/etcd/ca.key"), m.at("etc/kubernetes/pki/old.key")))
	last := p.BundleOfParts(t, m.who, 3, p.Parts(t, m.who))
	refusedFor(t, m, p, last, "etc/kubernetes/pki/ca.key", "belongs on no node")
	must(t, os.Remove(m.at("etc/kubernetes/pki/ca.key")))
	must(t, os.Remove(m.at("etc/kubernetes/pki/front-proxy-ca.key")))
	refusedFor(t, m, p, last, "etc/kubernetes/pki/old.key", "is the private key of authority etcd")
	must(t, os.Remove(m.at("etc/kubernetes/pki/old.key")))
	m.place(t, p, last)
	if v, err := m.Verify(install.VerifyOptions{Release: p.Release.Public()}); err != nil || len(v.Findings) > 0 {
		t.Errorf("after the last stage: %v %v", v.Findings, err)
	}
	// Whoever has the release key alone cannot have the former one trusted again.
	again := p.BundleOfParts(t, m.who, 4, p.IssueParts(t, m.who, former))
	refusedFor(t, m, p, again, "pki/ca.crt", "an authority that no ceremony made")
}

// A trust file that was lost is put right by the same bundle, though it is not
// there to vouch for itself; a node that never had the authority takes none.
func TestAdoptedOnlyWhereItWas(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	former := p.Former(t)
	m := running(t, p, bundletest.Worker(), former)
	b := p.BundleOfParts(t, m.who, 1, p.TrustParts(t, m.who, former))
	fresh := newMachine(t, p, bundletest.Worker())
	fresh.who = m.who
	for name, key := range m.who.Keys {
		must(t, os.Remove(filepath.Join(fresh.Root, install.StateDir, "keys", name+".key")))
		must(t, fresh.State().WriteKey(name, key))
	}
	refusedFor(t, fresh, p, b, "pki/ca.crt", "an authority that no ceremony made")
	p.WriteFormer(t, fresh.Root, m.who, p.Former(t))
	refusedFor(t, fresh, p, b, "pki/ca.crt", "an authority that no ceremony made")
	m.place(t, p, b)
	must(t, os.Remove(m.at("etc/kubernetes/pki/ca.crt")))
	m.place(t, p, b)
}

func refusedFor(t *testing.T, m machine, p *bundletest.PKI, b *bundle.Bundle, file, why string) {
	t.Helper()
	before := tree(t, m.Root)
	_, err := m.Install(b, install.Options{Release: p.Release.Public()})
	var r *install.Refused
	if !errors.As(err, &r) || !slices.ContainsFunc(r.Findings,
		func(f bundle.Finding) bool { return f.File == file && strings.Contains(f.Problem, why) }) {
		t.Errorf("want %s refused with %q: %v", file, why, err)
	}
	if list := unlike(before, tree(t, m.Root)); len(list) > 0 {
		t.Errorf("refused, and changed: %q", list)
	}
}

// A kubelet that rotates has key and certificate elsewhere.
func TestStandingOfARotatingKubelet(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	former := p.Former(t)
	m := running(t, p, bundletest.Worker(), former)
	leaves := p.FormerLeaves(t, m.who, former)
	must(t, os.MkdirAll(m.at("var/lib/kubelet/pki"), 0o755))
	must(t, os.WriteFile(m.at("etc/kubernetes/kubelet.conf"),
		[]byte("users:\n- user:\n    client-certificate: /var/lib/kubelet/pki/kubelet-client-current.pem\n"), 0o600))
	certificate := bundletest.CertificatePEM(leaves["kubelet.conf"])
	sec1, err := x509.MarshalECPrivateKey(m.who.Keys["kubelet.conf"].(*ecdsa.PrivateKey))
	must(t, err)
	for _, key := range [][]byte{bundletest.PrivatePEM(t, m.who.Keys["kubelet.conf"]),
		pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: sec1})} {
		for _, both := range [][]byte{slices.Concat(certificate, key), slices.Concat(key, certificate)} {
			must(t, os.WriteFile(m.at("var/lib/kubelet/pki/kubelet-client-current.pem"), both, 0o600))
			s, err := m.Standing(p.Cluster, m.who.Node)
			must(t, err)
			if !s.Leaves["kubelet.conf"].Chain[0].Equal(leaves["kubelet.conf"]) {
				t.Error("another certificate than the kubelet's")
			}
		}
	}
	// The same of a whole kubeconfig, as kubeadm leaves it once the kubelet has rotated.
	whole := running(t, p, bundletest.Worker(), former)
	data, err := os.ReadFile(whole.at("etc/kubernetes/kubelet.conf"))
	must(t, err)
	named := regexp.MustCompile(`client-(certificate|key)-data: .*`).ReplaceAllString(string(data),
		"client-$1: /var/lib/kubelet/pki/kubelet-client-current.pem")
	must(t, os.WriteFile(m.at("etc/kubernetes/kubelet.conf"), []byte(named), 0o600))
	s, err := m.Standing(p.Cluster, m.who.Node)
	must(t, err)
	if !s.Leaves["kubelet.conf"].Chain[0].Equal(leaves["kubelet.conf"]) {
		t.Error("another certificate than the kubelet's")
	}
	must(t, os.Remove(m.at("var/lib/kubelet/pki/kubelet-client-current.pem")))
	standingRefused(t, m, p, "etc/kubernetes/kubelet.conf", "no such file")
}

// What cannot be adopted is named, and nothing is written.
func TestStandingRefused(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	former := p.Former(t)
	pki := "etc/kubernetes/pki/"
	write := func(path string, data []byte) func(m machine) {
		return func(m machine) { must(t, os.WriteFile(m.at(path), data, 0o600)) }
	}
	own := func(m machine) []byte {
		data, err := os.ReadFile(m.at(pki + "sa.pub"))
		must(t, err)
		return data
	}
	ca := func(f kubepki.Authority) *x509.Certificate { return former[f].Certificate }
	kubernetes := bundletest.CertificatePEM(ca(kubepki.KubernetesAuthority))
	both := func(first, then func(m machine)) func(m machine) {
		return func(m machine) { first(m); then(m) }
	}
	edit := func(field, by string) func(m machine) { // of a line in a kubeconfig
		return func(m machine) {
			at := m.at("etc/kubernetes/super-admin.conf")
			data, err := os.ReadFile(at)
			must(t, err)
			text := regexp.MustCompile(`    `+field+`: .*\n`).ReplaceAllString(string(data), by)
			must(t, os.WriteFile(at, []byte(strings.Replace(text, "  user:\n$", "  user: {}\n", 1)), 0o600))
		}
	}
	drop := func(field string) func(m machine) { return edit(field, "") }
	names := func(field string) func(m machine) { return edit(field+"-data", "    "+field+": none.pem\n") }
	for name, tt := range map[string]struct {
		change    func(m machine)
		file, why string
	}{
		"no trust file": {func(m machine) { must(t, os.Remove(m.at(pki+"etcd/ca.crt"))) }, pki + "etcd/ca.crt",
			"is not there; every node of the cluster that has one has the same"},
		"two authorities": {write(pki+"ca.crt", append(slices.Clone(kubernetes),
			bundletest.CertificatePEM(p.Root.Certificate)...)), pki + "ca.crt", "holds 2 certificates"},
		"an intermediate": {write(pki+"ca.crt",
			bundletest.CertificatePEM(p.Authorities[kubepki.KubernetesAuthority].Certificate)), pki + "ca.crt",
			"is not self-signed"},
		"one for all": {write(pki+"etcd/ca.crt", kubernetes), "etc/kubernetes/pki", "are one key"},
		"another authority": {write(pki+"ca.crt",
			bundletest.CertificatePEM(p.Former(t)[kubepki.KubernetesAuthority].Certificate)), pki + "apiserver.crt",
			"was not signed by the kubernetes authority"},
		"a missing leaf": {func(m machine) { must(t, os.Remove(m.at(pki+"etcd/peer.crt"))) },
			pki + "etcd/peer.crt", "kubeadm init phase certs etcd-peer makes it"},
		"a missing config": {func(m machine) { must(t, os.Remove(m.at("etc/kubernetes/super-admin.conf"))) },
			"etc/kubernetes/super-admin.conf", "kubeadm init phase kubeconfig super-admin"},
		"another's key": {write(pki+"apiserver.key", bundletest.PrivatePEM(t, bundletest.Key(t))),
			pki + "apiserver.crt", "is not its own"},
		"no sa.key": {func(m machine) { must(t, os.Remove(m.at(pki+"sa.key"))) }, pki + "sa.key",
			"is not there; every control-plane node has the same"},
		"another sa.pub": {write(pki+"sa.pub", bundletest.PublicPEM(t, bundletest.Key(t).Public())), pki + "sa.pub",
			"does not hold the public half of sa.key"},
		"an sa.pub of more": {func(m machine) {
			old := bundletest.PublicPEM(t, bundletest.Key(t).Public())
			write(pki+"sa.pub", slices.Concat([]byte("# old\n"), old, own(m)))(m)
		}, pki + "sa.pub", "holds 1 public keys besides that of sa.key"},
		"an authority and its own": {write(pki+"ca.crt", append(bundletest.CertificatePEM(
			p.Authorities[kubepki.KubernetesAuthority].Certificate), bundletest.CertificatePEM(p.Root.Certificate)...)),
			pki + "ca.crt", "and what certified it"},
		"its certificate second": {func(m machine) {
			leaf, err := os.ReadFile(m.at(pki + "apiserver.crt"))
			must(t, err)
			write(pki+"apiserver.crt", append(slices.Clone(kubernetes), leaf...))(m)
		}, pki + "apiserver.crt", "the certificate of apiserver is number 2 in it"},
		"a CA for a leaf": {both(write(pki+"apiserver.crt", kubernetes),
			write(pki+"apiserver.key", bundletest.PrivatePEM(t, former[kubepki.KubernetesAuthority].Key))),
			pki + "apiserver.crt", "is a CA certificate"},
		"a certificate without its key": {func(m machine) { must(t, os.Remove(m.at(pki+"etcd/peer.key"))) },
			pki + "etcd/peer.crt",
			"is there, and its private key /etc/kubernetes/pki/etcd/peer.key is not; move it away, and while"},
		"a config without its key": {drop("client-key-data"), "etc/kubernetes/super-admin.conf",
			"has a certificate, and no private key; move it away, and while"},
		"a config of neither": {both(drop("client-key-data"), drop("client-certificate-data")),
			"etc/kubernetes/super-admin.conf",
			"has neither a client certificate nor a private key; move it away, and while"},
		"a config that names a certificate": {names("client-certificate"), "etc/kubernetes/super-admin.conf",
			"super-admin.conf names a file: open "},
		"a config that names a key": {names("client-key"), "etc/kubernetes/super-admin.conf",
			"super-admin.conf names a file: open "},
		"a broken sa.key": {write(pki+"sa.key", []byte("no key")), pki + "sa.key",
			"not one PEM private key"},
	} {
		t.Run(name, func(t *testing.T) {
			m := running(t, p, bundletest.First(), former)
			tt.change(m)
			standingRefused(t, m, p, tt.file, tt.why)
		})
	}
	m := running(t, p, bundletest.First(), former)
	write(pki+"ca.crt", append(slices.Clone(kubernetes), kubernetes...))(m) // twice the same is one
	if _, err := m.Standing(p.Cluster, m.who.Node); err != nil {
		t.Error(err)
	}
	m.Node = &install.Node{Root: m.Root, Disk: &durable.Disk{},
		Now: func() time.Time { return bundletest.Now.AddDate(2, 0, 0) }}
	standingRefused(t, m, p, pki+"apiserver.crt", "expired on 2027-11-23: renew it first, with kubeadm certs renew "+
		"apiserver")
	standingRefused(t, m, p, pki+"etcd/server.crt", "kubeadm certs renew etcd-server")
	m.Now = func() time.Time { return bundletest.Now.AddDate(60, 0, 0) }
	standingRefused(t, m, p, pki+"ca.crt", ": nothing in this cluster is valid any more")
	m.Now = func() time.Time { return bundletest.Now.AddDate(2, 0, 0) }
	standingRefused(t, m, p, "etc/kubernetes/kubelet.conf", "kubeadm kubeconfig user --org system:nodes "+
		"--client-name system:node:cp-1 > kubelet.conf")
	other := m.who.Node
	other.Name = "cp-2"
	m.Now = func() time.Time { return bundletest.Now }
	m.who.Node = other
	standingRefused(t, m, p, "etc/kubernetes/kubelet.conf", `CN is "system:node:cp-1", must be "system:node:cp-2"`)
}

// An external etcd's files are not kubeadm's to make, and it says so; once they
// are where bundles have them, the node is taken.
func TestStandingWithExternalEtcd(t *testing.T) {
	c := bundletest.Cluster()
	c.ExternalEtcd = true
	p := bundletest.New(t, c)
	n := bundletest.First()
	n.Roles = []kubepki.Role{kubepki.ControlPlane}
	m := running(t, p, n, p.Former(t))
	if _, err := m.Standing(p.Cluster, m.who.Node); err != nil {
		t.Error(err)
	}
	must(t, os.Remove(m.at("etc/kubernetes/pki/etcd/ca.crt")))
	must(t, os.Remove(m.at("etc/kubernetes/pki/apiserver-etcd-client.crt")))
	standingRefused(t, m, p, "etc/kubernetes/pki/etcd/ca.crt", "The cluster's etcd is external: kubeadm makes no "+
		"such file")
	standingRefused(t, m, p, "etc/kubernetes/pki/apiserver-etcd-client.crt", "etcd.external names in the kubeadm file")
	_, err := m.Standing(p.Cluster, m.who.Node)
	if strings.Contains(err.Error(), "kubeadm init phase") {
		t.Errorf("names a phase that kubeadm passes over: %v", err)
	}
}

// What kubectl config adds to a file does not keep a node out, and is named.
func TestStandingWithAContextMore(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	m := running(t, p, bundletest.First(), p.Former(t))
	at := m.at("etc/kubernetes/admin.conf")
	data, err := os.ReadFile(at)
	must(t, err)
	text := strings.Replace(string(data), "    user:", "    namespace: monitoring\n    user:", 1) +
		"- name: jane\n  user: {token: abc}\n"
	must(t, os.WriteFile(at, []byte(text), 0o600))
	s, err := m.Standing(p.Cluster, m.who.Node)
	must(t, err)
	if lost := s.Leaves["admin.conf"].Lost; !slices.Equal(lost, []string{"what its current context does not use"}) {
		t.Errorf("lost: %v", lost)
	}
}

func standingRefused(t *testing.T, m machine, p *bundletest.PKI, file, why string) {
	t.Helper()
	_, err := m.Standing(p.Cluster, m.who.Node)
	var r *install.Refused
	if !errors.As(err, &r) || !slices.ContainsFunc(r.Findings,
		func(f bundle.Finding) bool { return f.File == file && strings.Contains(f.Problem, why) }) {
		t.Errorf("want %s with %q: %v", file, why, err)
	}
}

// The authorities' private keys are not opened: what is in them does not matter.
func TestStandingOpensNoAuthorityKey(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	m := running(t, p, bundletest.First(), p.Former(t))
	must(t, os.Remove(m.at("etc/kubernetes/pki/ca.key")))
	must(t, os.Mkdir(m.at("etc/kubernetes/pki/ca.key"), 0o700)) // reading a folder fails
	if _, err := m.Standing(p.Cluster, m.who.Node); err != nil {
		t.Error(err)
	}
	if got := m.AuthorityKeyFiles(kubepki.Places{}); len(got) != 3 {
		t.Errorf("named: %q", got)
	}
}
