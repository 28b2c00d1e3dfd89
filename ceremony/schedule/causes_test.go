package schedule

import (
	"strings"
	"testing"

	"officiant/bundle/kubepki"
	"officiant/bundle/request"
)

// TestOneCause: what requests say otherwise than the plan is one finding, that
// names the fact and the nodes, whatever follows from it in their CSRs.
func TestOneCause(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*kubepki.Cluster)
		want   string
		warns  bool
	}{
		"naming": {func(c *kubepki.Cluster) { c.Naming = kubepki.NamingDocs },
			"naming: the requests of nodes cp-1, cp-2 say docs, and the plan says kubeadm, so that other certificates are " +
				"asked for", false},
		"version": {func(c *kubepki.Cluster) { c.KubernetesVersion = kubepki.Version{Major: 1, Minor: 28} },
			"kubernetesVersion: the requests of nodes cp-1, cp-2 say v1.28.0, and the plan says v1.37.2", false},
		"a version by which nothing changes": {func(c *kubepki.Cluster) {
			c.KubernetesVersion = kubepki.Version{Major: 1,
				Minor: 37}
		},
			"kubernetesVersion: the requests of nodes cp-1, cp-2, worker-1 say v1.37.0, the plan says v1.37.2", true},
		"endpoint": {func(c *kubepki.Cluster) { c.ControlPlaneEndpoint = "other.demo.test:6443" },
			"controlPlaneEndpoint: the requests of nodes cp-1, cp-2 say other.demo.test:6443, and the plan says " +
				"api.demo.test:6443", false},
		"domain": {func(c *kubepki.Cluster) { c.DNSDomain = "k8s.test" },
			"dnsDomain: the requests of nodes cp-1, cp-2 say k8s.test, and the plan says cluster.local", false},
		"subnet": {func(c *kubepki.Cluster) { c.ServiceSubnet = "10.200.0.0/16" },
			"serviceSubnet: the requests of nodes cp-1, cp-2 say 10.200.0.0/16, and the plan says 10.96.0.0/12", false},
		"more names": {func(c *kubepki.Cluster) { c.CertSANs = []string{"x.test"} },
			"certSANs: the requests of nodes cp-1, cp-2 say x.test, and the plan says (none)", false},
		"more of etcd's": {func(c *kubepki.Cluster) { c.EtcdPeerCertSANs = []string{"x.test"} },
			"etcdPeerCertSANs: the requests of nodes cp-1, cp-2 say x.test, and the plan says (none)", false},
	} {
		t.Run(name, func(t *testing.T) {
			c, o := facts, map[string]*request.Opened{}
			tt.change(&c)
			for _, n := range []kubepki.Node{cp1, cp2, work} {
				o[n.Name] = makeRequest(t, c, n, nil)
			}
			text, inputs := planFor(t, o, cp1, cp2, work)
			opened, err := opens(text, inputs)
			if tt.warns {
				if err != nil || len(opened.Warnings) != 1 || opened.Warnings[0].Message != tt.want {
					t.Errorf("%v", err)
				}
				return
			}
			if err == nil {
				t.Fatal("accepted")
			}
			if got := problems(t, err); len(got) != 1 || !strings.Contains(got[0], tt.want) || !strings.Contains(got[0],
				"csr/") {
				t.Errorf("%d findings: %s\nwant %s", len(got), strings.Join(got, "\n"), tt.want)
			}
		})
	}
}

// TestOneCauseOfRoles: roles that a request has otherwise are one finding, too, and not
// every certificate that follows from them.
func TestOneCauseOfRoles(t *testing.T) {
	o := map[string]*request.Opened{"cp-1": makeRequest(t, facts, cp1, nil)}
	other := cp2
	other.Roles = []kubepki.Role{kubepki.Worker}
	o["cp-2"] = makeRequest(t, facts, other, nil)
	text, inputs := planFor(t, o, cp1, cp2)
	_, err := opens(text, inputs)
	if err == nil {
		t.Fatal("accepted")
	}
	const want = "claims the roles worker, and the plan gives node cp-2 control-plane,etcd"
	if got := problems(t, err); len(got) != 1 || !strings.Contains(got[0], want) {
		t.Errorf("%q, want one: %s", got, want)
	}
}
