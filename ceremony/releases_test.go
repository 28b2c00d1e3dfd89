package ceremony_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"officiant/bundle"
	"officiant/bundle/kubepki"
	"officiant/ceremony/ceremonytest"
)

// kinds are the nodes of the clusters below, as facts.yaml calls them.
var kinds = map[string]kubepki.Node{
	"first":    {Name: "cp-1", Roles: []kubepki.Role{kubepki.ControlPlane, kubepki.Etcd}, Address: netip.MustParseAddr("10.0.0.11"), First: true},
	"joined":   {Name: "cp-2", Roles: []kubepki.Role{kubepki.ControlPlane, kubepki.Etcd}, Address: netip.MustParseAddr("10.0.0.12")},
	"etcd":     {Name: "etcd-1", Roles: []kubepki.Role{kubepki.Etcd}, Address: netip.MustParseAddr("10.0.0.21")},
	"worker":   {Name: "worker-1", Roles: []kubepki.Role{kubepki.Worker}},
	"external": {Name: "cp-1", Roles: []kubepki.Role{kubepki.ControlPlane}, Address: netip.MustParseAddr("10.0.0.11"), First: true},
}

// TestReleases carries out a ceremony for each release of facts.yaml, installs
// each bundle, and holds what is then on the node against facts.yaml with the
// standard library: nothing of what made the certificates has a say in it.
func TestReleases(t *testing.T) {
	f := readFacts(t)
	for _, release := range f.Releases {
		t.Run(release, func(t *testing.T) { f.cluster(t, release, false, "first", "joined", "etcd", "worker") })
	}
	newest := f.Releases[len(f.Releases)-1]
	t.Run(newest+", external etcd", func(t *testing.T) { f.cluster(t, newest, true, "external", "etcd", "worker") })
}

func (f *facts) cluster(t *testing.T, release string, external bool, nodes ...string) {
	version, err := kubepki.ParseVersion(release)
	must(t, err)
	shape := ceremonytest.Shape{Version: version, ExternalEtcd: external}
	for _, kind := range nodes {
		shape.Nodes = append(shape.Nodes, kinds[kind])
	}
	fixture := ceremonytest.New(t, shape)
	dir, _ := fixture.Run(t)
	for _, kind := range nodes {
		t.Run(kind, func(t *testing.T) {
			n := &checkedNode{T: t, facts: f, release: release, kind: kind, node: kinds[kind], root: t.TempDir()}
			n.install(fixture, dir)
			for _, problem := range n.judge() {
				t.Error(problem)
			}
		})
	}
}

// TestReleasesCanFail spoils the facts, one at a time, and then what is on the
// node: each has to be noticed.
func TestReleasesCanFail(t *testing.T) {
	f := readFacts(t)
	n := &checkedNode{T: t, facts: f, release: "1.37.2", kind: "first", node: kinds["first"], root: t.TempDir()}
	fixture := ceremonytest.New(t, ceremonytest.Shape{Nodes: []kubepki.Node{n.node}})
	dir, _ := fixture.Run(t)
	n.install(fixture, dir)
	if problems := n.judge(); len(problems) > 0 {
		t.Fatal(problems)
	}
	for want, spoil := range map[string]func(f *facts){
		"pki/apiserver.crt: CN":                     func(f *facts) { f.Certificates[0].CN = "apiserver" },
		"pki/apiserver.crt: DNS names":              func(f *facts) { f.Certificates[0].DNS = f.Certificates[0].DNS[1:] },
		"pki/apiserver.crt: addresses":              func(f *facts) { f.Certificates[0].IP = nil },
		"pki/apiserver.crt: usages":                 func(f *facts) { f.Certificates[0].Usages = []string{"clientAuth"} },
		"pki/apiserver-kubelet-client.crt: O":       func(f *facts) { f.Certificates[1].Organization = f.Certificates[1].Organization[:2] },
		"pki/apiserver.crt: is issued by":           func(f *facts) { f.Authorities["kubernetes"] = f.Authorities["etcd-ca"] },
		"pki/sa.pub: mode is 0600":                  func(f *facts) { f.Modes["pub"] = "0644" },
		"pki/sa.pub is there, and the facts do not": func(f *facts) { f.Files["first"] = f.Files["first"][:5] },
		"pki/ca.key":                                 func(f *facts) { f.Files["first"] = append(f.Files["first"], "pki/ca.key") },
		"super-admin.conf is there":                  func(f *facts) { f.Kubeconfigs[1].Since = "1.38.0" },
		"admin.conf: user, cluster":                  func(f *facts) { f.Kubeconfigs[0].CN = "admin" },
		"scheduler.conf: server is https://10.0.0.1": func(f *facts) { f.Kubeconfigs[4].Server = f.Kubeconfigs[0].Server },
		"rbac.yaml binds":                            func(f *facts) { f.Bindings = f.Bindings[:1] },
	} {
		n.facts = readFacts(t)
		spoil(n.facts)
		if problems := strings.Join(n.judge(), "\n"); !strings.Contains(problems, want) {
			t.Errorf("not found: %s\nin\n%s", want, problems)
		}
	}
	n.facts = f
	must(t, os.WriteFile(filepath.Join(n.root, "etc/kubernetes/pki/ca.crt"), n.bundle.Files[bundle.RootFile], 0o644))
	if problems := strings.Join(n.judge(), "\n"); !strings.Contains(problems, "pki/ca.crt: holds 1 certificates") {
		t.Errorf("the root among those who may log in is not found:\n%s", problems)
	}
}
