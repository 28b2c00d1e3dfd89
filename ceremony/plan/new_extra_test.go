package plan

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"officiant/bundle/kubepki"
	"officiant/signer"
)

// TestNewWritesFacts reads back what a plan says of a cluster and its nodes: a
// renewal must not lose any of it.
func TestNewWritesFacts(t *testing.T) {
	none, some := []string{}, []string{"system:masters", "ops, and more"}
	o := NewOptions{Name: "demo-1", Evidence: signer.Software, Leaves: Leaves{Validity: Duration(90 * day)},
		Cluster: Cluster{
			Name: "demo", KubernetesVersion: "v1.37.2", Naming: kubepki.NamingDocs, ControlPlaneEndpoint: "api.demo.test:6443",
			ServiceSubnet: "10.96.0.0/12", DNSDomain: "cluster.local", CertSANs: []string{"api.example.com", "fd00::1"},
			EtcdServerCertSANs: []string{"10.0.0.1"}, EtcdPeerCertSANs: []string{"*.etcd.test"}, ExternalEtcd: true,
			Overrides: map[string]Override{
				"kube-apiserver":                {CommonName: "an apiserver", ExtraSANs: []string{"10.0.0.9"}},
				"kube-apiserver-kubelet-client": {Organization: &some},
				"kubernetes-admin":              {Organization: &none},
			},
			Extra: []Extra{{Name: "etcd/monitoring", Roles: []kubepki.Role{kubepki.Etcd}, Profile: "client", Authority: "etcd",
				Subject: Subject{CommonName: "prometheus: x", Organization: &some}, Allow: []string{"system:masters"}}},
		},
		Nodes: []Node{
			{Name: "worker-1", Roles: []kubepki.Role{kubepki.Worker}, Extra: []Extra{{Name: "node-server", Profile: "serving", SANs: []string{"{node}", "*.x.test"}}},
				Request: "requests/worker-1.req", Renew: []string{"kubelet.conf", "node-server"}},
			{Name: "appliance-1", Roles: []kubepki.Role{kubepki.Worker}, Keys: NodeKeys{Create: signer.RSA3072,
				Recipient: "age1appliance"}},
		},
	}
	text, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	r := &Report{File: "plan.yaml", Show: func(s string) string { return s }}
	p := Read(r, text)
	if len(r.Problems) > 0 {
		t.Fatalf("%v\n%s", r.Problems, text)
	}
	for what, diff := range map[string]string{
		"cluster": cmp.Diff(o.Cluster, p.Cluster), "nodes": cmp.Diff(o.Nodes, p.Nodes), "leaves": cmp.Diff(o.Leaves, p.Leaves),
	} {
		if diff != "" {
			t.Errorf("%s: %s\n%s", what, diff, text)
		}
	}
}
