package kubepki

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"officiant/bundle/limittest"
)

// fields returns the fields err complains about.
func fields(err error) (names []string) {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []string{"not joined: " + err.Error()}
	}
	for _, e := range joined.Unwrap() {
		if f, ok := errors.AsType[*FieldError](e); ok {
			names = append(names, f.Field)
		}
	}
	return names
}

func TestClusterRefusals(t *testing.T) {
	org := func(s ...string) *[]string { return &s }
	override := func(id string, o Override) func(*Cluster) {
		return func(c *Cluster) { c.Overrides = map[string]Override{id: o} }
	}
	subnet := func(s string) func(*Cluster) { return func(c *Cluster) { c.ServiceSubnet = s } }
	endpoint := func(s string) func(*Cluster) { return func(c *Cluster) { c.ControlPlaneEndpoint = s } }
	san := func(s string) func(*Cluster) { return func(c *Cluster) { c.CertSANs = []string{"ok.test", s} } }
	name := func(s string) func(*Cluster) { return func(c *Cluster) { c.Name = s } }

	for _, row := range []struct {
		what   string
		change func(*Cluster)
		field  string // "" when it is fine
	}{
		{"nothing", func(*Cluster) {}, ""},
		{"good name", name("Demo_1.eu-west"), ""},
		{"name with slash", name("a/b"), "name"},
		{"name with space", name("a b"), "name"},
		{"name with newline", name("a\n# x"), "name"},
		{"name of dots", name(".."), "name"},
		{"long name", name(strings.Repeat("a", 65)), "name"},

		{"no version", func(c *Cluster) { c.KubernetesVersion = Version{} }, "kubernetesVersion"},
		{"old version", func(c *Cluster) { c.KubernetesVersion = Version{1, 16, 15} }, "kubernetesVersion"},
		{"new version", func(c *Cluster) { c.KubernetesVersion = Version{1, 99, 0} }, ""},
		{"other major", func(c *Cluster) { c.KubernetesVersion = Version{2, 0, 0} }, "kubernetesVersion"},
		{"naming", func(c *Cluster) { c.Naming = "doc" }, "naming"},

		{"two stacks", subnet("10.96.0.0/16,fd00::/112"), ""},
		{"no CIDR", subnet("10.96.0.0"), "serviceSubnet"},
		{"mask too long", subnet("10.96.0.0/33"), "serviceSubnet"},
		{"no address", subnet("cluster/12"), "serviceSubnet"},
		{"host bits", subnet("10.96.0.1/12"), "serviceSubnet"},
		{"too large", subnet("10.0.0.0/8"), "serviceSubnet"},
		{"too large v6", subnet("fd00::/64"), "serviceSubnet"},
		{"too small", subnet("10.96.0.0/29"), "serviceSubnet"},
		{"mapped", subnet("::ffff:10.96.0.0/112"), "serviceSubnet"},
		{"space after comma", subnet("10.96.0.0/16, fd00::/112"), "serviceSubnet"},
		{"same family", subnet("10.96.0.0/16,10.97.0.0/16"), "serviceSubnet"},
		{"three", subnet("10.96.0.0/16,fd00::/112,10.97.0.0/16"), "serviceSubnet"},
		{"comma only", subnet(","), "serviceSubnet"},

		{"host", endpoint("api.example.test"), ""},
		{"host and port", endpoint("api.example.test:443"), ""},
		{"address", endpoint("fd00::1"), ""},
		{"address and port", endpoint("[fd00::1]:6443"), ""},
		{"URL", endpoint("https://api.example.test:6443"), "controlPlaneEndpoint"},
		{"path", endpoint("api.example.test/x"), "controlPlaneEndpoint"},
		{"port 0", endpoint("api.example.test:0"), "controlPlaneEndpoint"},
		{"port too large", endpoint("api.example.test:65536"), "controlPlaneEndpoint"},
		{"named port", endpoint("api.example.test:https"), "controlPlaneEndpoint"},
		{"empty port", endpoint("api.example.test:"), "controlPlaneEndpoint"},
		{"no host", endpoint(":6443"), "controlPlaneEndpoint"},
		{"brackets alone", endpoint("[fd00::1]"), "controlPlaneEndpoint"},
		{"capitals", endpoint("API.example.test"), "controlPlaneEndpoint"},
		{"wildcard endpoint", endpoint("*.example.test:6443"), "controlPlaneEndpoint"},
		{"unspecified", endpoint("0.0.0.0:6443"), "controlPlaneEndpoint"},

		{"DNS domain", func(c *Cluster) { c.DNSDomain = "cluster_local" }, "dnsDomain"},
		{"DNS domain's dot", func(c *Cluster) { c.DNSDomain = "cluster.local." }, "dnsDomain"},

		{"wildcard", san("*.lab.test"), ""},
		{"address SAN", san("2001:db8::1"), ""},
		{"underscore", san("foo_bar.test"), "certSANs[1]"},
		{"capital", san("Foo.test"), "certSANs[1]"},
		{"trailing dot", san("foo.test."), "certSANs[1]"},
		{"empty", san(""), "certSANs[1]"},
		{"star alone", san("*"), "certSANs[1]"},
		{"star dot", san("*."), "certSANs[1]"},
		{"star inside", san("a.*.test"), "certSANs[1]"},
		{"part of a label", san("a*.test"), "certSANs[1]"},
		{"two stars", san("*.*.test"), "certSANs[1]"},
		{"no address after all", san("10.0.0.256"), "certSANs[1]"},
		{"wildcard address", san("*.0.0.1"), "certSANs[1]"},
		{"leading zero", san("010.0.0.1"), "certSANs[1]"},
		{"CIDR", san("10.0.0.0/8"), "certSANs[1]"},
		{"with port", san("foo.test:443"), "certSANs[1]"},
		{"URI", san("https://foo.test"), "certSANs[1]"},
		{"mail", san("a@foo.test"), "certSANs[1]"},
		{"zone", san("fe80::1%eth0"), "certSANs[1]"},
		{"mapped address", san("::ffff:10.0.0.1"), "certSANs[1]"},
		{"long label", san(strings.Repeat("a", 64) + ".test"), "certSANs[1]"},
		{"long name", san(strings.Repeat("a.", 127) + "test"), "certSANs[1]"},
		{"etcd server SAN", func(c *Cluster) { c.EtcdServerCertSANs = []string{"-x"} }, "etcdServerCertSANs[0]"},
		{"etcd peer SAN", func(c *Cluster) { c.EtcdPeerCertSANs = []string{"x-"} }, "etcdPeerCertSANs[0]"},

		{"unknown ID", override("apiserver", Override{CommonName: "x"}), "overrides.apiserver"},
		{"kubelet-serving", override("kubelet-serving", Override{CommonName: "x"}), "overrides.kubelet-serving"},
		{"CN", override("admin.conf", Override{CommonName: "ops"}), ""},
		{"no O", override("admin.conf", Override{Organization: org()}), ""},
		{"long CN", override("admin.conf", Override{CommonName: strings.Repeat("x", 65)}), "overrides.admin.conf.commonName"},
		{"CN with newline", override("admin.conf", Override{CommonName: "a\nb"}), "overrides.admin.conf.commonName"},
		{"CN not UTF-8", override("admin.conf", Override{CommonName: "a\xff"}), "overrides.admin.conf.commonName"},
		{"O of spaces", override("admin.conf", Override{Organization: org("a", " ")}), "overrides.admin.conf.organization[1]"},
		{"front-proxy's CN", override("admin.conf", Override{CommonName: "front-proxy-client"}), "overrides.admin.conf.commonName"},
		{"its own CN", override("front-proxy-client", Override{CommonName: "front-proxy-client"}), ""},
		{"one CN for all kubelets", override("kubelet.conf", Override{CommonName: "system:node:x"}), "overrides.kubelet.conf.commonName"},
		{"kubelet without group", override("kubelet.conf", Override{Organization: org("x")}), "overrides.kubelet.conf.organization"},
		{"kubelet with two groups", override("kubelet.conf", Override{Organization: org("system:nodes", "x")}), ""},
		{"names of a client", override("admin.conf", Override{ExtraSANs: []string{"x.test"}}), "overrides.admin.conf.extraSANs"},
		{"names of a server", override("kube-apiserver", Override{ExtraSANs: []string{"x.test"}}), ""},
		{"bad name", override("kube-apiserver", Override{ExtraSANs: []string{"x_y"}}), "overrides.kube-apiserver.extraSANs[0]"},
	} {
		t.Run(row.what, func(t *testing.T) {
			c := clusterAt(t, "v1.37.2")
			row.change(&c)
			err := c.Validate()
			if got := strings.Join(fields(err), " "); got != row.field {
				t.Errorf("complains about %q, want %q: %v", got, row.field, err)
			}
			if _, leavesErr := Leaves(c, pageNode()); (leavesErr == nil) != (err == nil) {
				t.Errorf("Leaves says %v", leavesErr)
			}
			if _, filesErr := Files(c, pageNode()); (filesErr == nil) != (err == nil) {
				t.Errorf("Files says %v", filesErr)
			}
		})
	}
}

func TestNodeRefusals(t *testing.T) {
	name := func(s string) func(*Node) { return func(n *Node) { n.Name = s } }
	address := func(s string) func(*Node) { return func(n *Node) { n.Address = netip.MustParseAddr(s) } }
	for _, row := range []struct {
		what   string
		change func(*Node)
		field  string
	}{
		{"nothing", func(*Node) {}, ""},
		{"full name", name("cp-1.example.test"), ""},
		{"no name", name(""), "name"},
		{"capital", name("CP-1"), "name"},
		{"path", name("../cp-1"), "name"},
		{"dots", name(".."), "name"},
		{"wildcard", name("*.example.test"), "name"},
		{"underscore", name("cp_1"), "name"},
		{"newline", name("cp-1\n"), "name"},
		{"long", name(strings.Repeat("a", 64)), "name"},
		{"no role", func(n *Node) { n.Roles = nil }, "roles first"},
		{"unknown role", func(n *Node) { n.Roles = append(n.Roles, "master") }, "roles[2]"},
		{"role twice", func(n *Node) { n.Roles = append(n.Roles, Etcd) }, "roles[2]"},
		{"first worker", func(n *Node) { n.Roles = []Role{Worker} }, "first"},
		{"no address", func(n *Node) { n.Address = netip.Addr{} }, "address"},
		{"etcd without address", func(n *Node) { *n = Node{Name: "e", Roles: []Role{Etcd}} }, "address"},
		{"worker without address", func(n *Node) { *n = Node{Name: "w", Roles: []Role{Worker}} }, ""},
		{"worker with a bad address", func(n *Node) {
			*n = Node{Name: "w", Roles: []Role{Worker}, Address: netip.IPv4Unspecified()}
		}, "address"},
		{"unspecified", address("::"), "address"},
		{"loopback", address("127.0.0.1"), "address"},
		{"link-local", address("fe80::1"), "address"},
		{"zone", address("fe80::1%eth0"), "address"},
		{"multicast", address("ff02::1"), "address"},
		{"mapped", address("::ffff:10.0.0.1"), "address"},
		{"negative port", func(n *Node) { n.BindPort = -1 }, "bindPort"},
		{"large port", func(n *Node) { n.BindPort = 65536 }, "bindPort"},
	} {
		t.Run(row.what, func(t *testing.T) {
			n := pageNode()
			row.change(&n)
			err := n.Validate()
			if got := strings.Join(fields(err), " "); got != row.field {
				t.Errorf("complains about %q, want %q: %v", got, row.field, err)
			}
			if _, leavesErr := Leaves(clusterAt(t, "v1.37.2"), n); (leavesErr == nil) != (err == nil) {
				t.Errorf("Leaves says %v", leavesErr)
			}
		})
	}
}

func TestClusterAndNodeDoNotFit(t *testing.T) {
	for _, row := range []struct {
		what   string
		change func(*Cluster, *Node)
		want   string
	}{
		{"control-plane without etcd", func(_ *Cluster, n *Node) { n.Roles = []Role{ControlPlane} },
			"node cp-1: roles: control-plane without etcd needs a cluster with externalEtcd; a stacked node has both roles"},
		{"worker without endpoint", func(c *Cluster, n *Node) {
			c.ControlPlaneEndpoint = ""
			*n = Node{Name: "w-1", Roles: []Role{Worker}}
		}, "cluster demo: controlPlaneEndpoint: missing; worker w-1 has no other way to know where the API server is"},
	} {
		t.Run(row.what, func(t *testing.T) {
			c, n := clusterAt(t, "v1.37.2"), pageNode()
			row.change(&c, &n)
			_, err := Leaves(c, n)
			if err == nil || err.Error() != row.want {
				t.Errorf("got %v\nwant %s", err, row.want)
			}
		})
	}
}

// Whatever passes is a name or an address x509 can carry, and nothing else.
func FuzzSAN(f *testing.F) {
	for _, s := range []string{"a.test", "*.a.test", "10.0.0.1", "fe80::1%e", "10.0.0.256", "*", "a_b", "A", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		defer limittest.Budget(t)()
		if checkSAN(s) != nil {
			return
		}
		var l Leaf
		l.addNames([]string{s})
		if len(l.DNSNames)+len(l.IPAddresses) != 1 {
			t.Errorf("%q became %v and %v", s, l.DNSNames, l.IPAddresses)
		}
		for _, name := range l.DNSNames {
			if strings.ToLower(name) != name || len(name) > maxName+2 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789.-*") != "" {
				t.Errorf("%q is a name", name)
			}
		}
	})
}

func FuzzEndpoint(f *testing.F) {
	for _, s := range []string{"a.test:1", "[fd00::1]:6443", "fd00::1", "10.0.0.1", "https://a:1", "[::1]", ":1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		defer limittest.Budget(t)()
		host, port, err := splitEndpoint(s)
		if err == nil && (checkSAN(host) != nil || strings.HasPrefix(host, "*") || port < 0 || port > 65535) {
			t.Errorf("%q became %q and %d", s, host, port)
		}
	})
}
