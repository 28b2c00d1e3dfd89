package kubepki

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"officiant/bundle/limittest"
)

func version(t *testing.T, s string) Version {
	t.Helper()
	v, err := ParseVersion(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func clusterAt(t *testing.T, v string) Cluster {
	return Cluster{Name: "demo", KubernetesVersion: version(t, v), ControlPlaneEndpoint: "lb.example.test"}
}

// Each row stands on both sides of a change of organization.
func TestOrganizationCutovers(t *testing.T) {
	const masters, admins, none, absent = "system:masters", "kubeadm:cluster-admins", "", "absent"
	rows := []struct{ version, kubelet, etcd, healthcheck, admin, super string }{
		{"v1.17.0", masters, masters, masters, masters, absent},
		{"v1.28.15", masters, masters, masters, masters, absent},
		{"v1.29.0", admins, none, none, admins, masters},
		{"v1.32.99", admins, none, none, admins, masters}, // never brought back to 1.32
		{"v1.33.11", admins, none, none, admins, masters},
		{"v1.33.12", none, none, none, admins, masters},
		{"v1.34.7", admins, none, none, admins, masters},
		{"v1.34.8", none, none, none, admins, masters},
		{"v1.35.0", admins, none, none, admins, masters},
		{"v1.35.4", admins, none, none, admins, masters},
		{"v1.35.5", none, none, none, admins, masters},
		{"v1.36.0", admins, none, none, admins, masters},
		{"v1.36.1", none, none, none, admins, masters},
		{"v1.37.0", none, none, none, admins, masters},
		{"v1.37.2", none, none, none, admins, masters},
		{"v1.41.0", none, none, none, admins, masters}, // unknown: the newest facts
	}
	for _, row := range rows {
		t.Run(row.version, func(t *testing.T) {
			leaves := mustLeaves(t, clusterAt(t, row.version), pageNode())
			for id, want := range map[string]string{
				"kube-apiserver-kubelet-client": row.kubelet,
				"kube-apiserver-etcd-client":    row.etcd,
				"kube-etcd-healthcheck-client":  row.healthcheck,
				"admin.conf":                    row.admin,
				"super-admin.conf":              row.super,
				"kubelet.conf":                  "system:nodes",
				"controller-manager.conf":       none,
				"scheduler.conf":                none,
				"kube-apiserver":                none,
				"front-proxy-client":            none,
			} {
				l, ok := leaves[id]
				got := strings.Join(l.Organization, ",")
				if !ok {
					got = absent
				}
				if got != want {
					t.Errorf("%s has O %q, want %q", id, got, want)
				}
			}
		})
	}
}

func TestEndpointCutovers(t *testing.T) {
	const cluster, node = "https://lb.example.test:6443", "https://10.0.0.11:6443"
	// Bundles to format 3 have the first node's kubelet.conf point at the cluster's
	// endpoint in every release.
	for _, row := range []struct{ version, controllers, kubelet string }{
		{"v1.17.0", cluster, cluster},
		{"v1.19.16", cluster, cluster},
		{"v1.20.0", node, cluster},
		{"v1.32.9", node, cluster},
		{"v1.33.0", node, node},
		{"v1.37.2", node, node},
	} {
		t.Run(row.version, func(t *testing.T) {
			leaves := mustLeaves(t, clusterAt(t, row.version), pageNode())
			for id, want := range map[string]string{
				"admin.conf":              cluster,
				"controller-manager.conf": row.controllers,
				"scheduler.conf":          row.controllers,
				"kubelet.conf":            row.kubelet,
			} {
				if got := leaves[id].Kubeconfig.Server; got != want {
					t.Errorf("%s points at %s, want %s", id, got, want)
				}
			}
			old := clusterAt(t, row.version)
			old.SharedFirstKubelet = true
			if got := mustLeaves(t, old, pageNode())["kubelet.conf"].Kubeconfig.Server; got != cluster {
				t.Errorf("in an old bundle the first node's kubelet.conf points at %s", got)
			}
			joined := pageNode()
			joined.First = false
			if got := mustLeaves(t, clusterAt(t, row.version), joined)["kubelet.conf"].Kubeconfig.Server; got != row.kubelet {
				t.Errorf("a joined node's kubelet.conf points at %s, want %s", got, row.kubelet)
			}
			worker := Node{Name: "worker-1", Roles: []Role{Worker}}
			if got := mustLeaves(t, clusterAt(t, row.version), worker)["kubelet.conf"].Kubeconfig.Server; got != cluster {
				t.Errorf("a worker's kubelet.conf points at %s", got)
			}
		})
	}
}

func TestEndpointPorts(t *testing.T) {
	for _, row := range []struct {
		endpoint   string
		bindPort   int
		admin, own string
	}{
		{"", 0, "https://10.0.0.11:6443", "https://10.0.0.11:6443"},
		{"", 8443, "https://10.0.0.11:8443", "https://10.0.0.11:8443"},
		{"lb.example.test", 8443, "https://lb.example.test:8443", "https://10.0.0.11:8443"},
		{"lb.example.test:443", 8443, "https://lb.example.test:443", "https://10.0.0.11:8443"},
		{"[fd00::1]:443", 0, "https://[fd00::1]:443", "https://10.0.0.11:6443"},
		{"fd00::1", 0, "https://[fd00::1]:6443", "https://10.0.0.11:6443"},
	} {
		c, n := clusterAt(t, "v1.37.2"), pageNode()
		c.ControlPlaneEndpoint, n.BindPort = row.endpoint, row.bindPort
		leaves := mustLeaves(t, c, n)
		if got := leaves["admin.conf"].Kubeconfig.Server; got != row.admin {
			t.Errorf("%q, %d: admin.conf points at %s, want %s", row.endpoint, row.bindPort, got, row.admin)
		}
		if got := leaves["scheduler.conf"].Kubeconfig.Server; got != row.own {
			t.Errorf("%q, %d: scheduler.conf points at %s, want %s", row.endpoint, row.bindPort, got, row.own)
		}
	}
}

func TestSigningKeyCutover(t *testing.T) {
	for v, want := range map[string]bool{"v1.19.16": false, "v1.20.0": true} {
		c := mustFiles(t, clusterAt(t, v), pageNode())["pki/sa.key"].Consumers
		got := slices.Contains(c, Consumer{"kube-apiserver", "--service-account-signing-key-file", Restart})
		if got != want {
			t.Errorf("%s: the API server reads sa.key: %v", v, got)
		}
	}
}

func TestRBACCutovers(t *testing.T) {
	const admins, kubelet = "kubeadm:cluster-admins", "kubeadm:apiserver-kubelet-client"
	for _, row := range []struct{ version, want string }{
		{"v1.28.15", ""},
		{"v1.29.0", admins},
		{"v1.34.7", admins},
		{"v1.34.8", admins + " " + kubelet},
		{"v1.36.0", admins},
		{"v1.37.0", admins + " " + kubelet},
	} {
		var names []string
		for _, b := range RBAC(version(t, row.version)) {
			names = append(names, b.Name)
		}
		if got := strings.Join(names, " "); got != row.want {
			t.Errorf("%s needs %q, want %q", row.version, got, row.want)
		}
	}
	want := `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: kubeadm:apiserver-kubelet-client
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: system:kubelet-api-admin
subjects:
- apiGroup: rbac.authorization.k8s.io
  kind: User
  name: kube-apiserver-kubelet-client
`
	if diff := cmp.Diff(want, RBAC(Newest())[1].Manifest()); diff != "" {
		t.Error(diff)
	}
}

func TestVersion(t *testing.T) {
	if Newest() != (Version{1, 37, 2}) || Oldest() != (Version{1, 17, 0}) {
		t.Errorf("covers %s to %s", Oldest(), Newest())
	}
	for v, want := range map[string]bool{
		"1.16.15": false, "1.17.0": true, "v1.37.2": true, "1.37.9": true, "1.38.0": false, "2.17.0": false,
	} {
		if got := Known(version(t, v)); got != want {
			t.Errorf("%s is known: %v", v, got)
		}
	}
	for _, bad := range []string{"", "v", "1.30", "1.30.1.2", "v1.30.x", "1.030.1", "1.30.-1", "1.30.+1",
		"v1.30.1-rc.1", "stable-1", "vv1.30.1", " v1.30.1", "1.30.99999999999", "١.30.1"} {
		if v, err := ParseVersion(bad); err == nil {
			t.Errorf("%q was read as %s", bad, v)
		}
	}
	var c Cluster
	if err := json.Unmarshal([]byte(`{"kubernetesVersion":"1.37.2"}`), &c); err != nil || c.KubernetesVersion != Newest() {
		t.Errorf("%v, %v", c.KubernetesVersion, err)
	}
	if err := json.Unmarshal([]byte(`{"kubernetesVersion":"1.37"}`), &c); err == nil {
		t.Error("1.37 was read as a release")
	}
}

func FuzzParseVersion(f *testing.F) {
	for _, s := range []string{"v1.37.2", "1.17.0", "1.030.1", "v1.2", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		defer limittest.Budget(t)()
		v, err := ParseVersion(s)
		if err != nil {
			return
		}
		if got := v.String(); got != s && got != "v"+s {
			t.Errorf("%q was read as %s", s, got)
		}
	})
}

// TestBindingsAreThoseOfTheRelease holds what follows from a node's leaves
// against what the release's table says, for every release.
func TestBindingsAreThoseOfTheRelease(t *testing.T) {
	for minor := Oldest().Minor; minor <= Newest().Minor; minor++ {
		for _, patch := range []int{0, 1, 5, 8, 12} {
			c := Cluster{Name: "demo", KubernetesVersion: Version{1, minor, patch}, ControlPlaneEndpoint: "api.test"}
			leaves, err := Leaves(c, Node{Name: "cp-1", Roles: []Role{ControlPlane, Etcd}, Address: netip.MustParseAddr("10.0.0.11"), First: true})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(RBAC(c.KubernetesVersion), Bindings(leaves)); diff != "" {
				t.Errorf("%s: %s", c.KubernetesVersion, diff)
			}
		}
	}
}

// TestBindingsFollowOverrides: a plan's organizations and names decide.
func TestBindingsFollowOverrides(t *testing.T) {
	bindings := func(o map[string]Override) []string {
		t.Helper()
		c := Cluster{Name: "demo", KubernetesVersion: Newest(), ControlPlaneEndpoint: "api.test", Overrides: o}
		leaves, err := Leaves(c, Node{Name: "cp-1", Roles: []Role{ControlPlane, Etcd}, Address: netip.MustParseAddr("10.0.0.11")})
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, b := range Bindings(leaves) {
			out = append(out, b.ID+" "+b.Subject)
		}
		return out
	}
	masters, admins := []string{"system:masters"}, []string{"kubeadm:cluster-admins"}
	for name, c := range map[string]struct {
		overrides map[string]Override
		want      []string
	}{
		"masters":    {map[string]Override{"kube-apiserver-kubelet-client": {Organization: &masters}}, []string{"cluster-admins-binding kubeadm:cluster-admins"}},
		"admins":     {map[string]Override{"kube-apiserver-kubelet-client": {Organization: &admins}}, []string{"cluster-admins-binding kubeadm:cluster-admins"}},
		"other name": {map[string]Override{"kube-apiserver-kubelet-client": {CommonName: "logs"}, "admin.conf": {Organization: &masters}}, []string{"apiserver-kubelet-client-binding logs"}},
	} {
		if diff := cmp.Diff(c.want, bindings(c.overrides)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestKubeadmAPI(t *testing.T) {
	for v, want := range map[string]string{"1.17.0": "v1beta2", "1.21.14": "v1beta2", "1.22.0": "v1beta3", "1.30.14": "v1beta3", "1.31.0": "v1beta4", "1.37.2": "v1beta4"} {
		if got := KubeadmAPI(version(t, v)); got != want {
			t.Errorf("%s: %s, want %s", v, got, want)
		}
	}
}
