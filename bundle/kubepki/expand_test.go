package kubepki

import (
	"crypto/x509"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func texts(addrs []netip.Addr) []string {
	var s []string
	for _, a := range addrs {
		s = append(s, a.String())
	}
	return s
}

func sorted(s []string) []string { return slices.Sorted(slices.Values(s)) }

// The worked examples: a cluster with an endpoint and extra names, and one
// with two service subnets, of which only the first counts.
func TestWorkedNames(t *testing.T) {
	type names struct{ dns, ip []string }
	for _, e := range []struct {
		name          string
		cluster       Cluster
		node          Node
		want          map[string]names
		admin, sched  string
		clusterString string
	}{
		{
			name: "one stack, with endpoint",
			cluster: Cluster{ControlPlaneEndpoint: "api.example.test:6443", ServiceSubnet: "10.96.0.0/12",
				DNSDomain: "cluster.local", CertSANs: []string{"203.0.113.7", "*.lab.test"},
				EtcdServerCertSANs: []string{"etcd1.example.test"}},
			node: Node{Name: "cp1", Address: netip.MustParseAddr("10.0.0.11")},
			want: map[string]names{
				"apiserver": {[]string{"cp1", "kubernetes", "kubernetes.default", "kubernetes.default.svc",
					"kubernetes.default.svc.cluster.local", "api.example.test", "*.lab.test"},
					[]string{"10.96.0.1", "10.0.0.11", "203.0.113.7"}},
				"etcd/server": {[]string{"cp1", "localhost", "etcd1.example.test"}, []string{"10.0.0.11", "127.0.0.1", "::1"}},
				"etcd/peer":   {[]string{"cp1", "localhost"}, []string{"10.0.0.11", "127.0.0.1", "::1"}},
			},
			admin: "https://api.example.test:6443", sched: "https://10.0.0.11:6443",
		},
		{
			name:    "two stacks, no endpoint",
			cluster: Cluster{ServiceSubnet: "fd00:10:96::/112,10.96.0.0/16", DNSDomain: "k.test"},
			node:    Node{Name: "cp2", Address: netip.MustParseAddr("fd00::12")},
			want: map[string]names{
				"apiserver": {[]string{"cp2", "kubernetes", "kubernetes.default", "kubernetes.default.svc",
					"kubernetes.default.svc.k.test"}, []string{"fd00:10:96::1", "fd00::12"}},
				"etcd/server": {[]string{"cp2", "localhost"}, []string{"fd00::12", "127.0.0.1", "::1"}},
				"etcd/peer":   {[]string{"cp2", "localhost"}, []string{"fd00::12", "127.0.0.1", "::1"}},
			},
			admin: "https://[fd00::12]:6443", sched: "https://[fd00::12]:6443",
		},
	} {
		t.Run(e.name, func(t *testing.T) {
			e.cluster.KubernetesVersion = Newest()
			e.node.Roles = []Role{ControlPlane, Etcd}
			for _, l := range mustLeaves(t, e.cluster, e.node) {
				want := e.want[l.Name]
				if diff := cmp.Diff(sorted(want.dns), sorted(l.DNSNames)); diff != "" {
					t.Errorf("%s: %s", l.Name, diff)
				}
				if diff := cmp.Diff(sorted(want.ip), sorted(texts(l.IPAddresses))); diff != "" {
					t.Errorf("%s: %s", l.Name, diff)
				}
				switch l.ID {
				case "admin.conf":
					expectServer(t, l, e.admin)
				case "scheduler.conf":
					expectServer(t, l, e.sched)
				}
			}
		})
	}
}

func expectServer(t *testing.T, l Leaf, want string) {
	t.Helper()
	if l.Kubeconfig.Server != want {
		t.Errorf("%s points at %s, want %s", l.ID, l.Kubeconfig.Server, want)
	}
}

func TestNamesStandOnce(t *testing.T) {
	c := clusterAt(t, "v1.37.2")
	c.ControlPlaneEndpoint = "10.0.0.11:6443"
	c.CertSANs = []string{"10.0.0.11", "kubernetes", "cp-1", "10.96.0.1"}
	l := mustLeaves(t, c, pageNode())["kube-apiserver"]
	if len(l.DNSNames) != 5 || len(l.IPAddresses) != 2 {
		t.Errorf("names %v, addresses %v", l.DNSNames, l.IPAddresses)
	}
}

// A node may be called by its address; that is then no DNS name.
func TestNodeNamedByAddress(t *testing.T) {
	n := pageNode()
	n.Name = "10.0.0.11"
	l := mustLeaves(t, clusterAt(t, "v1.37.2"), n)["kube-etcd"]
	if l.CommonName != "10.0.0.11" || slices.Contains(l.DNSNames, "10.0.0.11") {
		t.Errorf("CN %s, names %v", l.CommonName, l.DNSNames)
	}
}

func TestKubeadmNaming(t *testing.T) {
	c := clusterAt(t, "v1.37.2")
	leaves := mustLeaves(t, c, pageNode())
	for id, cn := range map[string]string{
		"kube-apiserver": "kube-apiserver", "kube-apiserver-kubelet-client": "kube-apiserver-kubelet-client",
		"kube-apiserver-etcd-client": "kube-apiserver-etcd-client", "kube-etcd": "cp-1", "kube-etcd-peer": "cp-1",
		"kube-etcd-healthcheck-client": "kube-etcd-healthcheck-client", "front-proxy-client": "front-proxy-client",
		"admin.conf": "kubernetes-admin", "super-admin.conf": "kubernetes-super-admin",
		"kubelet.conf": "system:node:cp-1", "controller-manager.conf": "system:kube-controller-manager",
		"scheduler.conf": "system:kube-scheduler",
	} {
		l := leaves[id]
		if l.CommonName != cn {
			t.Errorf("%s has CN %q, want %q", id, l.CommonName, cn)
		}
		if l.Kubeconfig != nil && (l.Kubeconfig.User != cn || l.Kubeconfig.Cluster != "demo" || l.Kubeconfig.Context != cn+"@demo") {
			t.Errorf("%s: %+v", id, *l.Kubeconfig)
		}
		if slices.Contains(l.DNSNames, "kubernetes.default.svc.cluster") {
			t.Errorf("%s has a name kubeadm never makes", id)
		}
	}
	if len(leaves) != len(AllLeafIDs()) {
		t.Errorf("a first stacked node has %d of %d certificates", len(leaves), len(AllLeafIDs()))
	}
	super := mustLeaves(t, Cluster{KubernetesVersion: Newest(), Naming: NamingDocs}, pageNode())["super-admin.conf"]
	if super.Kubeconfig.User != "default-super-admin" || !slices.Equal(super.Organization, []string{"system:masters"}) {
		t.Errorf("the documentation's super-admin.conf: %+v", super)
	}
}

func TestAuthorities(t *testing.T) {
	sign := x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	both := []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	want := []AuthoritySpec{
		{Root, "kubernetes-root-ca", "", "", 1, sign, nil},
		{KubernetesAuthority, "kubernetes", "pki/ca.crt", Root, 0, sign, both},
		{EtcdAuthority, "etcd-ca", "pki/etcd/ca.crt", Root, 0, sign, both},
		{FrontProxyAuthority, "front-proxy-ca", "pki/front-proxy-ca.crt", Root, 0, sign, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}},
	}
	if diff := cmp.Diff(want, Authorities(Cluster{})); diff != "" {
		t.Error(diff)
	}
	Authorities(Cluster{})[1].ExtKeyUsage[0] = x509.ExtKeyUsageAny
	if diff := cmp.Diff(want, Authorities(Cluster{})); diff != "" {
		t.Errorf("a caller can change the table: %s", diff)
	}
}

func TestRoleFiles(t *testing.T) {
	pair := func(names ...string) (files []string) {
		for _, n := range names {
			files = append(files, "pki/"+n+".crt 644 certificate", "pki/"+n+".key 600 key")
		}
		return files
	}
	controlPlane := append(pair("apiserver", "apiserver-etcd-client", "apiserver-kubelet-client", "front-proxy-client"),
		"pki/ca.crt 644 trust", "pki/etcd/ca.crt 644 trust", "pki/front-proxy-ca.crt 644 trust",
		"pki/server-ca.crt 644 server-trust",
		"pki/sa.key 600 service-account-key", "pki/sa.pub 600 service-account-public",
		"admin.conf 600 kubeconfig", "controller-manager.conf 600 kubeconfig",
		"kubelet.conf 600 kubeconfig", "scheduler.conf 600 kubeconfig")
	etcd := append(pair("etcd/server", "etcd/peer", "etcd/healthcheck-client"), "pki/etcd/ca.crt 644 trust")
	worker := []string{"pki/ca.crt 644 trust", "kubelet.conf 600 kubeconfig"}

	for _, row := range []struct {
		name     string
		roles    []Role
		first    bool
		external bool
		version  string
		want     [][]string
	}{
		{"stacked", []Role{ControlPlane, Etcd}, false, false, "v1.37.2", [][]string{controlPlane, etcd}},
		{"stacked first", []Role{ControlPlane, Etcd}, true, false, "v1.37.2", [][]string{controlPlane, etcd, {"super-admin.conf 600 kubeconfig"}}},
		{"stacked first 1.28", []Role{ControlPlane, Etcd}, true, false, "v1.28.0", [][]string{controlPlane, etcd}},
		{"external etcd", []Role{ControlPlane}, false, true, "v1.37.2", [][]string{controlPlane}},
		{"external etcd, member too", []Role{ControlPlane, Etcd}, false, true, "v1.37.2", [][]string{controlPlane, etcd}},
		{"etcd", []Role{Etcd}, false, true, "v1.37.2", [][]string{etcd}},
		{"worker", []Role{Worker}, false, false, "v1.37.2", [][]string{worker}},
		{"etcd and worker", []Role{Etcd, Worker}, false, true, "v1.37.2", [][]string{etcd, worker}},
		{"untainted", []Role{Worker, ControlPlane, Etcd}, false, false, "v1.37.2", [][]string{controlPlane, etcd}},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := clusterAt(t, row.version)
			c.ExternalEtcd = row.external
			n := Node{Name: "n", Roles: row.roles, First: row.first, Address: netip.MustParseAddr("10.0.0.9")}
			files, err := Files(c, n)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range files {
				got = append(got, fmt.Sprintf("%s %o %s", f.Path, f.Mode, f.Kind))
				if len(f.Consumers) == 0 {
					t.Errorf("no one reads %s", f.Path)
				}
			}
			if !slices.IsSortedFunc(files, func(a, b File) int { return strings.Compare(a.Path, b.Path) }) {
				t.Errorf("not sorted: %v", got)
			}
			want := map[string]bool{}
			for _, group := range row.want {
				for _, f := range group {
					want[f] = true
				}
			}
			if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), sorted(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// On every role set, a file's consumers run on that node.
func TestConsumersFollowRoles(t *testing.T) {
	c := clusterAt(t, "v1.37.2")
	c.ExternalEtcd = true
	runs := map[Role][]string{
		ControlPlane: {"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kubectl", "kubeadm"},
		Etcd:         {"etcd", "etcdctl", "kubeadm"},
		Worker:       {"kubelet"},
	}
	for role, components := range runs {
		n := Node{Name: "n", Roles: []Role{role}, Address: netip.MustParseAddr("10.0.0.9")}
		for path, f := range mustFiles(t, c, n) {
			for _, consumer := range f.Consumers {
				if !slices.Contains(components, consumer.Component) {
					t.Errorf("%s: %s is read by %s", role, path, consumer.Component)
				}
			}
		}
	}
}

func TestTrustFilesNameTheirAuthority(t *testing.T) {
	want := map[string]Authority{
		"pki/ca.crt": KubernetesAuthority, "pki/server-ca.crt": KubernetesAuthority,
		"pki/etcd/ca.crt": EtcdAuthority, "pki/front-proxy-ca.crt": FrontProxyAuthority,
	}
	got := map[string]Authority{}
	for path, f := range mustFiles(t, clusterAt(t, "v1.37.2"), pageNode()) {
		if f.Authority != "" {
			got[path] = f.Authority
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestReload(t *testing.T) {
	files := mustFiles(t, clusterAt(t, "v1.37.2"), pageNode())
	for _, row := range []struct {
		path     string
		consumer Consumer
	}{
		{"pki/apiserver.crt", Consumer{"kube-apiserver", "--tls-cert-file", Live}},
		{"pki/ca.crt", Consumer{"kube-apiserver", "--client-ca-file", Live}},
		{"pki/ca.crt", Consumer{"kube-controller-manager", "--root-ca-file", Restart}},
		{"pki/server-ca.crt", Consumer{"kube-controller-manager", "--root-ca-file", Restart}},
		{"pki/etcd/ca.crt", Consumer{"kube-apiserver", "--etcd-cafile", Restart}},
		{"pki/sa.key", Consumer{"kube-controller-manager", "--service-account-private-key-file", Restart}},
		{"kubelet.conf", Consumer{"kubelet", "--kubeconfig", Restart}},
		{"scheduler.conf", Consumer{"kube-scheduler", "--authentication-kubeconfig", Restart}},
		{"admin.conf", Consumer{"kubectl", "--kubeconfig", PerUse}},
	} {
		if !slices.Contains(files[row.path].Consumers, row.consumer) {
			t.Errorf("%s: %v not among %v", row.path, row.consumer, files[row.path].Consumers)
		}
	}
}

func TestOverrides(t *testing.T) {
	none := []string{}
	c := clusterAt(t, "v1.28.0")
	c.Overrides = map[string]Override{
		"admin.conf":                    {CommonName: "ops", Organization: &[]string{"ops:admins", "ops:on-call"}},
		"kube-apiserver-kubelet-client": {Organization: &none},
		"kube-etcd":                     {CommonName: "etcd member", ExtraSANs: []string{"etcd.example.test", "10.0.0.11", "192.0.2.1"}},
	}
	leaves := mustLeaves(t, c, pageNode())
	admin := leaves["admin.conf"]
	if admin.CommonName != "ops" || !slices.Equal(admin.Organization, []string{"ops:admins", "ops:on-call"}) {
		t.Errorf("admin.conf: %s, %v", admin.CommonName, admin.Organization)
	}
	if o := leaves["kube-apiserver-kubelet-client"].Organization; len(o) != 0 {
		t.Errorf("O is %v", o)
	}
	etcd := leaves["kube-etcd"]
	if etcd.CommonName != "etcd member" {
		t.Errorf("CN is %s", etcd.CommonName)
	}
	if diff := cmp.Diff([]string{"cp-1", "localhost", "etcd.example.test"}, etcd.DNSNames); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"10.0.0.11", "127.0.0.1", "::1", "192.0.2.1"}, texts(etcd.IPAddresses)); diff != "" {
		t.Error(diff)
	}
	if o := leaves["kube-apiserver-etcd-client"].Organization; !slices.Equal(o, []string{"system:masters"}) {
		t.Errorf("what was not overridden changed: %v", o)
	}
}
