package schedule

import (
	"crypto/x509"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"officiant/bundle/kubepki"
	"officiant/bundle/request"
	"officiant/ceremony/plan"
)

// asking are requests of the two nodes with more CSRs, which say nothing.
func asking(t *testing.T, cp, worker []string) map[string]*request.Opened {
	t.Helper()
	with := func(n kubepki.Node, names []string) *request.Opened {
		return makeRequest(t, facts, n, func(c map[string]*x509.CertificateRequest, k request.Keys) {
			for _, name := range names {
				c[name], k[name] = &x509.CertificateRequest{}, newKey(t)
			}
		})
	}
	return map[string]*request.Opened{"cp-1": with(cp1, cp), "worker-1": with(work, worker)}
}

// extraPlan puts extras under cluster and under cp-1.
func extraPlan(t *testing.T, o map[string]*request.Opened, cluster, node string) (string, map[string]string) {
	t.Helper()
	text, inputs := planFor(t, o, cp1, work)
	text = withoutWords(text)
	text = strings.Replace(text, "  kubeadm: kubeadm.yaml\n", "  kubeadm: kubeadm.yaml\n"+cluster, 1)
	return strings.Replace(text, "    first: true\n", "    first: true\n"+node, 1), inputs
}

func TestExtras(t *testing.T) {
	text, inputs := extraPlan(t, asking(t, []string{"kubelet-server", "etcd/monitoring", "alice.conf"}, []string{"kubelet-server"}), `  extra:
    - name: kubelet-server
    - {name: etcd/monitoring, roles: [etcd], profile: client, authority: etcd, subject: {commonName: prometheus}}
`, `    extra:
      - {name: alice.conf, profile: client, subject: {commonName: alice, organization: ["system:masters"]}, allow: ["system:masters"]}
`)
	c, err := opens(text, inputs)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range c.Entries {
		if e.Leaf != nil && e.Leaf.Extra != nil {
			line := c.Line(e)
			got = append(got, line[strings.Index(line, "signer="):strings.Index(line, " ca=")])
		}
	}
	want := []string{
		`signer=kubernetes name=cp-1/alice.conf subject="CN=alice,O=system:masters" usage=digitalSignature,keyEncipherment,clientAuth`,
		`signer=kubernetes name=cp-1/kubelet-server subject="CN=system:node:cp-1,O=system:nodes" dns=cp-1 ip=10.0.0.11 usage=digitalSignature,keyEncipherment,serverAuth`,
		`signer=kubernetes name=worker-1/kubelet-server subject="CN=system:node:worker-1,O=system:nodes" dns=worker-1 usage=digitalSignature,keyEncipherment,serverAuth`,
		`signer=etcd name=cp-1/etcd/monitoring subject="CN=prometheus" usage=digitalSignature,keyEncipherment,clientAuth`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestExtrasRefused: each refusal stands at its place, and what the cluster's
// extras have wrong is said once.
func TestExtrasRefused(t *testing.T) {
	requests := asking(t, []string{"x"}, []string{"x"})
	const server = "profile: serving, subject: {commonName: x}, sans: [x.lab.test]"
	for _, tt := range []struct {
		name, cluster, node string
		want                []string
	}{
		{"nothing planned", "", "", []string{
			"requests/cp-1.req: csr/x.csr: node cp-1 has no such certificate in the plan",
			"requests/worker-1.req: csr/x.csr: node worker-1 has no such certificate in the plan"}},
		{"once for all nodes", "  extra: [{name: x, " + server + ", authority: front-proxy}]\n", "", []string{
			`plan.yaml:15:96: node cp-1: extra certificate: "front-proxy" is not kubernetes or etcd; whoever has a certificate of the front-proxy authority may speak for every user`}},
		{"a node's own", "", "    extra: [{name: x, profile: client, subject: {commonName: front-proxy-client}}]\n", []string{
			`plan.yaml:66:62: node cp-1: extra certificate: "front-proxy-client" belongs to the front-proxy authority: whoever has it may speak for every user`,
			"requests/worker-1.req: csr/x.csr: node worker-1 has no such certificate in the plan"}},
		{"twice", "  extra: [{name: x, " + server + "}]\n", "    extra: [{name: x, " + server + "}]\n", []string{
			`plan.yaml:67:20: node cp-1: extra certificate: x is there twice`}},
		{"masters by accident", "  extra: [{name: x, profile: client, subject: {commonName: x, organization: [\"system:masters\"]}}]\n", "", []string{
			`plan.yaml:15:11: node cp-1: extra certificate: x has the name system:masters, which is Kubernetes' own; if it is meant, say allow: ["system:masters"]`}},
		{"an unknown role", "  extra: [{name: x, roles: [workers], " + server + "}]\n", "", []string{
			`plan.yaml:15:29: extra x: "workers" is not a role; a node is control-plane, etcd or worker; ` +
				`did you mean worker?`,
			"requests/cp-1.req: csr/x.csr: node cp-1 has no such certificate in the plan",
			"requests/worker-1.req: csr/x.csr: node worker-1 has no such certificate in the plan"}},
		{"roles of one node", "  extra: [{name: x, roles: [worker], " + server + "}]\n", "    extra: [{name: x, roles: [etcd], " + server + "}]\n", []string{
			`plan.yaml:67:30: node cp-1: roles are of extras under cluster; this one is the node's own`}},
		{"the API server's name", "  extra: [{name: x, profile: serving, subject: {commonName: x}, sans: [kubernetes.default]}]\n", "", []string{
			`plan.yaml:63:5: node cp-1: extra.x.sans: kubernetes.default is a name of the API server`,
			`plan.yaml:69:5: node worker-1: extra.x.sans: kubernetes.default is a name of the API server`}},
		{"an unknown field", "  extra: [{name: x, cn: x}]\n", "", []string{`plan.yaml:15:21: unknown field "cn" in an item of extra`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text, inputs := extraPlan(t, requests, tt.cluster, tt.node)
			c, err := opens(text, inputs)
			if err == nil {
				t.Fatalf("accepted:\n%s", written(c))
			}
			if diff := cmp.Diff(tt.want, problems(t, err)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestExtraBesideServing: a kubelet's extra certificate, which API servers of a cluster with
// kubelet-serving do not know it by, is a warning.
func TestExtraBesideServing(t *testing.T) {
	text, inputs := extraPlan(t, asking(t, []string{"kubelet-server"}, []string{"kubelet-server"}),
		"  extra:\n    - name: kubelet-server\n", "")
	const want = "cp-1, worker-1: API servers know kubelets by kubelet-serving alone"
	for family, warns := range map[string]bool{"kubelet-serving": true, "kubelet-client": false} {
		c, err := opens(strings.Replace(text, "release:\n", "  - {name: "+family+withNewKey+"release:\n", 1), inputs)
		if err != nil {
			t.Fatalf("%s: %v", family, err)
		}
		said := slices.ContainsFunc(c.Warnings, func(w plan.Problem) bool { return strings.Contains(w.Message, want) })
		if said != warns {
			t.Errorf("%s: %v", family, c.Warnings)
		}
	}
}
