package kubepki

import (
	"crypto/x509"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func stacked() Node {
	return Node{Name: "cp-1", Roles: []Role{ControlPlane, Etcd}, Address: netip.MustParseAddr("10.0.0.11"), First: true}
}

func extraCluster() Cluster {
	return Cluster{Name: "demo", KubernetesVersion: Newest(), ControlPlaneEndpoint: "api.demo.test:6443", CertSANs: []string{"api.lab.test"}}.Complete()
}

// The certificates the issue names, whole: what is in them and where they go.
func TestExtras(t *testing.T) {
	n := stacked()
	for _, e := range []Extra{
		{Name: "kubelet-server"},
		{Name: "kube-proxy.conf"},
		{Name: "etcd/monitoring", Profile: Client, Authority: EtcdAuthority, CommonName: "prometheus"},
		{Name: "alice.conf", Profile: Client, CommonName: "alice", Organization: []string{"team:platform"}},
		{Name: "root-like.conf", Profile: Client, CommonName: "bob", Organization: []string{"system:masters"}, Allow: []string{"system:masters"}},
		{Name: "metrics", Profile: Serving, CommonName: "metrics on {node}", SANs: []string{"metrics.{node}.lab.test", "{address}", "10.0.0.99"}},
	} {
		n.Extra = append(n.Extra, e.For(n))
	}
	leaves, err := Leaves(extraCluster(), n)
	if err != nil {
		t.Fatal(err)
	}
	files, err := Files(extraCluster(), n)
	if err != nil {
		t.Fatal(err)
	}
	names := func(l Leaf) string {
		all := slices.Clone(l.DNSNames)
		for _, a := range l.IPAddresses {
			all = append(all, a.String())
		}
		return strings.Join(all, ",")
	}
	client, server := x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth
	for _, want := range []struct {
		name, file, key, cn, o, sans string
		authority                    Authority
		usage                        x509.ExtKeyUsage
		server                       string
	}{
		{"kubelet-server", "pki/kubelet-server.crt", "pki/kubelet-server.key", "system:node:cp-1", "system:nodes", "cp-1,10.0.0.11", KubernetesAuthority, server, ""},
		{"kube-proxy.conf", "kube-proxy.conf", "", "system:kube-proxy", "system:node-proxier", "", KubernetesAuthority, client, "https://api.demo.test:6443"},
		{"etcd/monitoring", "pki/etcd/monitoring.crt", "pki/etcd/monitoring.key", "prometheus", "", "", EtcdAuthority, client, ""},
		{"alice.conf", "alice.conf", "", "alice", "team:platform", "", KubernetesAuthority, client, "https://api.demo.test:6443"},
		{"root-like.conf", "root-like.conf", "", "bob", "system:masters", "", KubernetesAuthority, client, "https://api.demo.test:6443"},
		{"metrics", "pki/metrics.crt", "pki/metrics.key", "metrics on cp-1", "", "metrics.cp-1.lab.test,10.0.0.11,10.0.0.99", KubernetesAuthority, server, ""},
	} {
		i := slices.IndexFunc(leaves, func(l Leaf) bool { return l.Name == want.name })
		if i < 0 {
			t.Errorf("no %s", want.name)
			continue
		}
		l := leaves[i]
		if l.File != want.file || l.KeyFile != want.key || l.CommonName != want.cn || strings.Join(l.Organization, ",") != want.o || names(l) != want.sans ||
			l.Authority != want.authority || !slices.Equal(l.ExtKeyUsage, []x509.ExtKeyUsage{want.usage}) || l.KeyUsage != leafKeyUsage || l.Extra == nil {
			t.Errorf("%s: %+v", want.name, l)
		}
		if want.server != "" && (l.Kubeconfig == nil || l.Kubeconfig.Server != want.server || l.Kubeconfig.User != want.cn || l.Kubeconfig.Context != want.cn+"@demo") {
			t.Errorf("%s: %+v", want.name, l.Kubeconfig)
		}
		for _, path := range []string{want.file, want.key} {
			if path != "" && !slices.ContainsFunc(files, func(f File) bool { return f.Path == path && f.Leaf == want.name }) {
				t.Errorf("%s is not among the node's files", path)
			}
		}
	}
	if !slices.IsSortedFunc(leaves, func(a, b Leaf) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("leaves are not sorted")
	}
}

func TestExtraRefusals(t *testing.T) {
	n := stacked()
	serving := Extra{Name: "s", Profile: Serving, Authority: KubernetesAuthority, CommonName: "s", SANs: []string{"s.lab.test"}}
	person := Extra{Name: "alice.conf", Profile: Client, Authority: KubernetesAuthority, CommonName: "alice"}
	with := func(e Extra, change func(*Extra)) Extra { change(&e); return e }
	cn := func(e Extra, s string) Extra { e.CommonName = s; return e }
	o := func(s ...string) Extra { e := person; e.Organization = s; return e }
	named := func(s string) Extra { e := serving; e.Name = s; return e }
	for _, row := range []struct {
		what, field string // of the problem; "" when it is fine
		e           Extra
	}{
		{"a person", "", person},
		{"a server", "", serving},
		{"no name", "extra[0].name", named("")},
		{"capitals", "extra[0].name", named("S")},
		{"a way out", "extra[0].name", named("../s")},
		{"two folders", "extra[0].name", named("a/b/c")},
		{"a kubeconfig in a folder", "extra[0].name", named("a/b.conf")},
		{"a hidden file", "extra[0].name", named(".s")},
		{"kubeadm's certificate", "extra[0].name", named("apiserver")},
		{"kubeadm's in a folder", "extra[0].name", named("etcd/server")},
		{"kubeadm's kubeconfig", "extra[0].name", with(person, func(e *Extra) { e.Name = "kubelet.conf" })},
		{"the trust file", "extra[0].name", named("ca")},
		{"etcd's trust file", "extra[0].name", named("etcd/ca")},
		{"the service-account key", "extra[0].name", named("sa")},
		{"no profile", "extra[0].profile", with(serving, func(e *Extra) { e.Profile = "" })},
		{"both profiles", "extra[0].profile", with(serving, func(e *Extra) { e.Profile = "client,serving" })},
		{"front-proxy authority", "extra[0].authority", with(person, func(e *Extra) { e.Name, e.Authority = "alice", FrontProxyAuthority })},
		{"the root", "extra[0].authority", with(serving, func(e *Extra) { e.Authority = Root })},
		{"kubeconfig of a server", "extra[0]", named("s.conf")},
		{"kubeconfig by etcd", "extra[0]", with(person, func(e *Extra) { e.Authority = EtcdAuthority })},
		{"client with names", "extra[0].sans", with(person, func(e *Extra) { e.SANs = []string{"a.test"} })},
		{"server without names", "extra[0].sans", with(serving, func(e *Extra) { e.SANs = nil })},
		{"bad name", "extra[0].sans[0]", with(serving, func(e *Extra) { e.SANs = []string{"10.0.0.300"} })},
		{"no CN", "extra[0].commonName", cn(person, "")},
		{"long CN", "extra[0].commonName", cn(person, strings.Repeat("a", 65))},
		{"empty O", "extra[0].organization[0]", o("")},
		{"front proxy's name", "extra[0].commonName", cn(person, "front-proxy-client")},
		{"front proxy's name, serving", "extra[0].commonName", cn(serving, "front-proxy-client")},
		{"system:masters", "extra[0]", o("system:masters")},
		{"system:masters among others", "extra[0]", o("team", "system:masters")},
		{"cluster admins of kubeadm", "extra[0]", o("kubeadm:cluster-admins")},
		{"the scheduler", "extra[0]", cn(person, "system:kube-scheduler")},
		{"a service account", "extra[0]", cn(person, "system:serviceaccount:kube-system:default")},
		{"the API server's client", "extra[0]", cn(person, "kube-apiserver-kubelet-client")},
		{"the admin", "extra[0]", cn(person, "kubernetes-admin")},
		{"etcd's root", "extra[0]", Extra{Name: "etcd/r", Profile: Client, Authority: EtcdAuthority, CommonName: "root"}},
		{"allowed by another name", "extra[0]", with(o("system:masters"), func(e *Extra) { e.Allow = []string{"system:nodes"} })},
		{"allowed", "", with(o("system:masters"), func(e *Extra) { e.Allow = []string{"system:masters"} })},
		{"monitoring", "", o("system:monitoring")},
		{"a node as a client", "extra[0].commonName", with(cn(o("system:nodes"), "system:node:cp-1"), func(e *Extra) { e.Allow = []string{"system:node:cp-1", "system:nodes"} })},
		{"nodes' group", "extra[0].commonName", with(o("system:nodes"), func(e *Extra) { e.Allow = []string{"system:nodes"} })},
		{"another node's serving", "extra[0].commonName", with(serving, func(e *Extra) { e.CommonName, e.Organization = "system:node:cp-2", []string{groupNodes} })},
		{"a kubelet's with another group", "extra[0].commonName", with(serving, func(e *Extra) { e.CommonName, e.Organization = "system:node:cp-1", []string{groupNodes, "x"} })},
	} {
		m := n
		m.Extra = []Extra{row.e}
		got := fields(m.Validate())
		if row.field == "" && got != nil || row.field != "" && !slices.Equal(got, []string{row.field}) {
			t.Errorf("%s: %q, want %q (%v)", row.what, got, row.field, m.Validate())
		}
	}
	n.Extra = []Extra{person, person}
	if got := fields(n.Validate()); !slices.Equal(got, []string{"extra[1].name"}) {
		t.Errorf("twice: %q", got)
	}
	n.Extra = make([]Extra, maxExtras+1)
	if got := fields(n.Validate()); !slices.Equal(got, []string{"extra"}) {
		t.Errorf("too many: %q", got)
	}
	etcd := Node{Name: "etcd-1", Roles: []Role{Etcd}, Address: netip.MustParseAddr("10.0.0.21"), Extra: []Extra{person}}
	if got := fields(etcd.Validate()); !slices.Equal(got, []string{"extra[0]"}) {
		t.Errorf("kubeconfig on an etcd node: %q", got)
	}
}

// A serving certificate must not stand in for the API server.
func TestExtraIsNoAPIServer(t *testing.T) {
	worker := Node{Name: "worker-1", Roles: []Role{Worker}, Address: netip.MustParseAddr("10.0.0.21")}
	for _, row := range []struct {
		n    Node
		name string
		ok   bool
	}{
		{worker, "kubernetes.default.svc", false},
		{worker, "kubernetes", false},
		{worker, "10.96.0.1", false},
		{worker, "api.demo.test", false},
		{worker, "api.lab.test", false},
		{worker, "metrics.lab.test", true},
		{worker, "10.0.0.21", true},
		{stacked(), "cp-1", true},
		{stacked(), "kubernetes.default.svc.cluster.local", false},
		// Names that cover one of them, and other spellings of its address.
		{worker, "*.default.svc", false},
		{worker, "*.default.svc.cluster.local", false},
		{worker, "*.demo.test", false},
		{stacked(), "*.lab.test", false},
		{worker, "*.apps.demo.test", true},
		{worker, "*.test", true},
		{worker, "fd00:0:0::a", false},
		{worker, "fd00::b", true},
	} {
		row.n.Extra = []Extra{{Name: "s", Profile: Serving, Authority: KubernetesAuthority, CommonName: "s", SANs: []string{row.name}}}
		c := extraCluster()
		c.CertSANs = append(c.CertSANs, "fd00::a")
		_, err := Leaves(c, row.n)
		if (err == nil) != row.ok {
			t.Errorf("%s on %s: %v", row.name, row.n.Name, err)
		}
	}
	// etcd's names are of another trust.
	worker.Extra = []Extra{{Name: "s", Profile: Serving, Authority: EtcdAuthority, CommonName: "s", SANs: []string{"kubernetes"}}}
	if _, err := Leaves(extraCluster(), worker); err != nil {
		t.Error(err)
	}
}

// A client of another authority than the node's own ones gets its anchor.
func TestExtraBringsItsAnchor(t *testing.T) {
	has := func(n Node, path string) bool {
		files, err := Files(extraCluster(), n)
		if err != nil {
			t.Fatal(err)
		}
		return slices.ContainsFunc(files, func(f File) bool { return f.Path == path && f.Kind == TrustFile })
	}
	worker := Node{Name: "worker-1", Roles: []Role{Worker}}
	if has(worker, "pki/etcd/ca.crt") {
		t.Error("a worker has etcd's trust file for nothing")
	}
	worker.Extra = []Extra{{Name: "etcd/monitoring", Profile: Client, Authority: EtcdAuthority, CommonName: "prometheus"}}
	if !has(worker, "pki/etcd/ca.crt") || !has(worker, "pki/ca.crt") || has(worker, "pki/front-proxy-ca.crt") {
		t.Error("the trust files are not those of its certificates")
	}
}

// With etcd elsewhere, a control-plane node has the API server's client and
// its trust, and nothing of a member.
func TestExternalEtcdGetsTheClientAlone(t *testing.T) {
	c, n := extraCluster(), stacked()
	c.ExternalEtcd, n.Roles = true, []Role{ControlPlane}
	leaves, err := Leaves(c, n)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, l := range leaves {
		if l.Authority == EtcdAuthority {
			got = append(got, l.Name)
		}
	}
	if !slices.Equal(got, []string{"apiserver-etcd-client"}) {
		t.Errorf("of etcd: %q", got)
	}
}
