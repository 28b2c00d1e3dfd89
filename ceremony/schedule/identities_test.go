package schedule

import (
	"crypto/x509"
	"net/netip"
	"strings"
	"testing"

	"officiant/bundle/kubepki"
	"officiant/bundle/request"
	"officiant/ceremony/plan"
)

// another is a cluster of which each name has an owner.
func another() (kubepki.Cluster, []reached) {
	c := kubepki.Cluster{Name: "demo", ControlPlaneEndpoint: "api.demo.test:6443", CertSANs: []string{"lb.demo.test",
		"10.0.0.5"},
		ServiceSubnet: "10.96.0.0/12,fd00:96::/112", EtcdServerCertSANs: []string{"etcd.demo.test"},
		Overrides: map[string]kubepki.Override{"kube-apiserver": {ExtraSANs: []string{"more.demo.test"}}}}.Complete()
	return c, []reached{
		{"cp-1", []string{"cp-1.lab.test", "10.0.0.11"}}, {"cp-2", []string{"fd00::12"}},
		{"worker-1", []string{"10.0.0.21"}}, {"gone-before", []string{"old.lab.test", "10.0.0.31"}},
	}
}

// TestForeignNames: who has one of these in a serving certificate can be taken for
// somebody else, in whatever spelling.
func TestForeignNames(t *testing.T) {
	c, nodes := another()
	w := whoseNames(c, nodes)
	worker := kubepki.Node{Name: "worker-1", Roles: []kubepki.Role{kubepki.Worker},
		Address: netip.MustParseAddr("10.0.0.21")}
	first := kubepki.Node{Name: "cp-1", Roles: []kubepki.Role{kubepki.ControlPlane, kubepki.Etcd},
		Address: netip.MustParseAddr("10.0.0.11")}
	for _, tt := range []struct {
		node kubepki.Node
		san  string
		want string // empty: the node may have it
		may  bool
	}{
		{worker, "worker-1", "", false}, {worker, "10.0.0.21", "", false}, {worker, "web.demo.test", "", false},
		{worker, "192.0.2.7", "", false}, {worker, "*.apps.test", "", false}, {first, "10.0.0.11", "", false},
		{worker, "cp-1", "a name of node cp-1", false}, {worker, "CP-1", "a name of node cp-1", false},
		{worker, "cp-1.", "a name of node cp-1", false}, {worker, "cp-1.lab.test", "a name of node cp-1", false},
		{worker, "Cp-1.Lab.Test.", "a name of node cp-1", false}, {worker, "*.lab.test", "covers cp-1.lab.test", false},
		{worker, "10.0.0.11", "a name of node cp-1", false}, {worker, "::ffff:10.0.0.11", "a name of node cp-1", false},
		{worker, "::ffff:a00:b", "a name of node cp-1", false}, {worker, "fd00::12", "a name of node cp-2", false},
		{worker, "FD00:0:0::0012", "a name of node cp-2", false}, {first, "worker-1", "a name of node worker-1", false},
		{worker, "old.lab.test", "a name of node gone-before", false}, {worker, "10.0.0.31", "a name of node gone-before",
			false},
		{worker, "localhost", "loopback", false}, {worker, "LOCALHOST.", "loopback", false}, {worker, "web.localhost",
			"loopback", false},
		{worker, "*.localhost", "loopback", false}, {worker, "127.0.0.1", "loopback", false}, {worker, "127.8.8.8",
			"loopback", false},
		{worker, "::1", "loopback", false}, {worker, "::ffff:127.0.0.1", "loopback", false}, {first, "::1", "loopback",
			false},
		{worker, "0.0.0.0", "loopback", false}, {worker, "localhost.localdomain", "loopback", false},
		{worker, "kubernetes", "the API server", false}, {worker, "Kubernetes.Default", "the API server", false},
		{worker, "kubernetes.default.svc.cluster.local", "the API server", false}, {worker, "*.default.svc",
			"covers kubernetes.default.svc", false},
		{worker, "api.demo.test", "the API server", false}, {worker, "lb.demo.test", "the API server", false},
		{worker, "10.0.0.5", "the API server", false}, {worker, "more.demo.test", "the API server", false},
		{worker, "*.demo.test", "covers api.demo.test", false}, {first, "api.demo.test", "the API server", false},
		{worker, "etcd.demo.test", "etcd", false}, {first, "etcd.demo.test", "etcd", false},
		{worker, "10.96.0.1", "an address of services", false}, {worker, "10.96.0.10", "an address of services", false},
		{worker, "::ffff:10.96.0.10", "an address of services", false}, {worker, "fd00:96::a", "an address of services",
			false},
		{worker, "metrics.kube-system.svc", "a name of services", true},
		{worker, "metrics.kube-system.svc.cluster.local", "a name of services", true},
		{worker, "*.kube-system.svc", "a name of services", true},
		{worker, "cp-2.example.com", "begins with the name of node cp-2", true},
	} {
		why, may := w.foreign(tt.node, tt.san)
		if !strings.Contains(why, tt.want) || (why == "") != (tt.want == "") || may != tt.may {
			t.Errorf("%s for node %s: %q, to be allowed %t, want %q, %t", tt.san, tt.node.Name, why, may, tt.want, tt.may)
		}
	}
}

// TestAddressTaken: a node whose address is another's has no serving certificate for it.
func TestAddressTaken(t *testing.T) {
	c, nodes := another()
	thief := kubepki.Node{Name: "worker-9", Roles: []kubepki.Role{kubepki.Worker},
		Address: netip.MustParseAddr("10.0.0.11")}
	w := whoseNames(c, append(nodes, reached{"worker-9", []string{"10.0.0.11"}}))
	if why, may := w.foreign(thief, "10.0.0.11"); why != "is a name of node cp-1" || may {
		t.Errorf("%q, %t", why, may)
	}
}

// TestIdentitiesRefused opens plans in which something would have another's name.
func TestIdentitiesRefused(t *testing.T) {
	// Requests that ask for nothing by name, so that only the plan is to blame.
	silent := func(n kubepki.Node, more ...string) *request.Opened {
		return makeRequest(t, facts, n, func(c map[string]*x509.CertificateRequest, k request.Keys) {
			for _, name := range more {
				k[name] = newKey(t)
			}
			for name := range k {
				c[name] = &x509.CertificateRequest{}
			}
		})
	}
	first, with, without := silent(cp1), silent(work, "x"), silent(work)
	const sans = "    extra: [{name: x, profile: serving, subject: {commonName: x}, sans: [%s]%s}]\n"
	extra := func(san, more string) string {
		return strings.Replace(strings.Replace(sans, "%s", san, 1), "%s", more, 1)
	}
	override := func(s string) string { return "  overrides: {" + s + "}\n" }
	for name, tt := range map[string]struct {
		cluster, worker string
		want            string // of the problem or, with "warning: ", of the warning; empty: nothing
	}{
		"its own":           {"", extra("worker-1, web.test", ""), ""},
		"a peer's":          {"", extra("cp-1", ""), "extra certificate x: cp-1 is a name of node cp-1"},
		"not to be allowed": {"", extra("cp-1", ", allow: [cp-1]"), "is a name of node cp-1"},
		"a service's": {"", extra("a.b.svc", ""), `a.b.svc is a name of services; if it is meant, say allow: ` +
			`["a.b.svc"]`},
		"a service's, meant": {"", extra("a.b.svc", ", allow: [a.b.svc]"), ""},
		"a wildcard":         {"", extra(`"*.demo.test"`, ""), "extra.x.sans: *.demo.test is a name of the API server"},
		"kubeadm's list": {"  certSANs: [worker-1]\n", "", "warning: cluster certSANs: worker-1 is a name of node " +
			"worker-1, which has not the role control-plane"},
		"its own list": {"  certSANs: [cp-1, 10.0.0.11, 127.0.0.1, localhost, 10.96.0.1]\n", "", ""},
		"a service in a list": {"  etcdServerCertSANs: [10.96.0.10]\n", "", "warning: cluster etcdServerCertSANs: " +
			"10.96.0.10 is an address of services"},
		"more for etcd": {override("kube-etcd: {extraSANs: [worker-1]}"), "",
			`cluster overrides.kube-etcd.extraSANs: worker-1 is a name of node worker-1, which has not the role etcd; if ` +
				`it is meant, say allow: ["worker-1"]`},
		"more, meant": {override("kube-etcd: {extraSANs: [worker-1], allow: [worker-1]}"), "", ""},
		"masters": {override(`controller-manager.conf: {organization: ["system:masters"]}`), "",
			`controller-manager.conf would have the name system:masters, which is Kubernetes' own; if it is meant, say ` +
				`allow: ["system:masters"]`},
		"masters, meant":  {override(`admin.conf: {organization: ["system:masters"], allow: ["system:masters"]}`), "", ""},
		"masters as ever": {override(`super-admin.conf: {organization: ["system:masters", ops]}`), "", ""},
		"kubeadm's group": {override(`scheduler.conf: {organization: ["kubeadm:cluster-admins"]}`), "",
			"the name kubeadm:cluster-admins"},
		"another component": {override("scheduler.conf: {commonName: kubernetes-admin}"), "",
			"the name kubernetes-admin, which is that of admin.conf"},
		"a system user": {override(`admin.conf: {commonName: "system:admin"}`), "", "the name system:admin, which " +
			"is Kubernetes' own"},
		"a node": {override(`admin.conf: {commonName: "system:node:worker-1"}`), "",
			"the name system:node:worker-1"},
		"a node's, to etcd": {override("kube-apiserver-etcd-client: {commonName: cp-1}"), "",
			"the name cp-1, which is that of"},
		"etcd's root": {override("kube-apiserver-etcd-client: {commonName: root}"), "",
			"the name root, which is etcd's"},
		"one it had":     {override(`scheduler.conf: {commonName: "system:kube-scheduler"}`), "", ""},
		"one nobody has": {override("admin.conf: {commonName: ops, organization: [ops]}"), "", ""},
		"two of one name": {override("admin.conf: {commonName: ops}, kube-apiserver-kubelet-client: {commonName: ops}"),
			"", "the name ops, which is that of"},
		"a name of an extra's": {override("admin.conf: {commonName: y}"),
			`    extra: [{name: x, profile: client, subject: {commonName: y}}]` + "\n", "the name y, which is that of x"},
	} {
		t.Run(name, func(t *testing.T) {
			o := map[string]*request.Opened{"cp-1": first, "worker-1": without}
			if tt.worker != "" {
				o["worker-1"] = with
			}
			text, inputs := extraPlan(t, o, tt.cluster, "")
			text = strings.Replace(text, "    request: requests/worker-1.req\n",
				tt.worker+"    request: requests/worker-1.req\n", 1)
			want, warned := strings.CutPrefix(tt.want, "warning: ")
			c, err := opens(text, inputs)
			switch {
			case warned || want == "":
				if err != nil {
					t.Fatal(err)
				}
				if got := said(c.Warnings); !strings.Contains(got, want) || want == "" && got != "" {
					t.Errorf("warnings %q", got)
				}
				return
			case err == nil:
				t.Fatal("accepted")
			}
			if got := strings.Join(problems(t, err), "\n"); !strings.Contains(got, want) {
				t.Errorf("%s\nwant %s", got, want)
			}
			if strings.Contains(want, "extra.x.sans") {
				return // the facts of Kubernetes' certificates refused it always
			}
			if c, err = opensHeld(text, inputs); err != nil || !strings.Contains(said(c.Warnings), want) {
				t.Errorf("of a ceremony that was held: %v", err)
			}
		})
	}
}

func said(list []plan.Problem) string {
	var lines []string
	for _, p := range list {
		lines = append(lines, p.Message)
	}
	return strings.Join(lines, "\n")
}

// TestNamesOnRecord: a plan of one node does not take the names of those that it
// leaves out.
func TestNamesOnRecord(t *testing.T) {
	p := makePast(t, defaultCAs, genesisOpen, "closed", recipients["cp-1"])
	p.recorded(append(p.certified(t, cp1, honest(t)["cp-1"], nil), p.certified(t, work, honest(t)["worker-1"], nil)...)...)
	o := asking(t, nil, []string{"x"})["worker-1"]
	for san, want := range map[string]string{
		"cp-1": "cp-1 is a name of node cp-1", "10.0.0.11": "10.0.0.11 is a name of node cp-1",
		"web.test": "", "worker-1": "",
	} {
		text := strings.Replace(p.continued(t, work), honest(t)["worker-1"].Fingerprint.String(), o.Fingerprint.String(), 1)
		p.files["requests/worker-1.req"] = string(o.Raw)
		text = strings.Replace(text, "    request: requests/worker-1.req\n",
			"    extra: [{name: x, profile: serving, subject: {commonName: x}, sans: [\""+san+"\"]}]\n    request: "+
				"requests/worker-1.req\n", 1)
		_, err := opens(text, p.files)
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", san, err)
		case want != "" && err == nil:
			t.Errorf("%s: accepted", san)
		case want != "":
			if got := problems(t, err); len(got) != 1 || !strings.Contains(got[0], want) {
				t.Errorf("%s: %q", san, got)
			}
		}
	}
}
