package bundle_test

import (
	"bytes"
	"maps"
	"strings"
	"testing"

	"officiant/bundle"
	"officiant/bundle/bundletest"
	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
)

// TestRebuild shows that a bundle comes out as it was signed, in whichever
// format, and that other parts do not pass for it.
func TestRebuild(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	n := p.NewNode(t, bundletest.First())
	parts := p.Parts(t, n)
	for format := bundle.OldestFormat; format <= bundletest.Newest; format++ {
		h := p.Header(n, 1)
		h.Format = format
		signed, err := bundle.Build(h, parts)
		if err != nil {
			t.Fatal(err)
		}
		b, err := bundle.Rebuild(p.Header(n, 1), parts, fingerprint.Of(signed.Sums))
		if err != nil {
			t.Fatal(err)
		}
		if b.Format != format || !bytes.Equal(b.Sums, signed.Sums) || !maps.EqualFunc(b.Files, signed.Files, bytes.Equal) {
			t.Errorf("format %d came out as format %d with other files", format, b.Format)
		}
	}
	if _, err := bundle.Rebuild(p.Header(n, 2), parts, fingerprint.Of(nil)); err == nil || !strings.Contains(err.Error(), "other sums than those signed") {
		t.Errorf("other sums: %v", err)
	}
	parts.Root = nil
	if _, err := bundle.Rebuild(p.Header(n, 1), parts, fingerprint.Of(nil)); err == nil || !strings.Contains(err.Error(), "no certificate of authority root") {
		t.Errorf("no root: %v", err)
	}
}

// TestTextsFollowTheNode looks for what the texts of other clusters and nodes
// must say and must not.
func TestTextsFollowTheNode(t *testing.T) {
	join := bundletest.First()
	join.Name, join.First, join.BindPort = "cp-2", false, 7443
	external := bundletest.First()
	external.Roles = []kubepki.Role{kubepki.ControlPlane}
	version := func(s string) func(*kubepki.Cluster) {
		return func(c *kubepki.Cluster) { c.KubernetesVersion, _ = kubepki.ParseVersion(s) }
	}
	for name, c := range map[string]struct {
		cluster func(*kubepki.Cluster)
		node    kubepki.Node
		file    string
		has     []string
		lacks   []string
	}{
		"first": {version("1.37.2"), bundletest.First(), bundle.ReadmeFile,
			[]string{"kubeadm init --config kubeadm.yaml", "--kubeconfig /etc/kubernetes/super-admin.conf apply -f cp-1/officiant/rbac.yaml"},
			[]string{"kubeadm join --config", "external:", "--token"}},
		"first's kubelet": {version("1.37.2"), bundletest.First(), bundle.KubeadmFile,
			[]string{"kind: InitConfiguration\nnodeRegistration:\n  kubeletExtraArgs:\n" +
				"  - name: rotate-certificates\n    value: \"false\"\n"}, nil},
		"first's kubelet, v1beta3": {version("1.30.1"), bundletest.First(), bundle.KubeadmFile,
			[]string{"nodeRegistration:\n  kubeletExtraArgs:\n    rotate-certificates: \"false\"\n"}, nil},
		"joins as": {version("1.37.2"), join, bundle.JoinFile, []string{"kind: JoinConfiguration\n",
			"kubeConfigPath: /etc/kubernetes/admin.conf\n", "name: cp-2\n",
			"- name: rotate-certificates\n    value: \"false\"\n",
			"advertiseAddress: \"10.0.0.11\"\n    bindPort: 7443\n"}, nil},
		"worker as": {version("1.20.15"), bundletest.Worker(), bundle.JoinFile,
			[]string{"kubeadm.k8s.io/v1beta2\n", "kubelet.conf\n", "    rotate-certificates: \"false\"\n"},
			[]string{"controlPlane:"}},
		"first, before the bindings": {version("1.28.15"), bundletest.First(), bundle.ReadmeFile,
			[]string{"kubeadm init --config"}, []string{"ClusterRoleBinding", "rbac.yaml", "super-admin"}},
		"first, external etcd": {func(c *kubepki.Cluster) { c.ExternalEtcd = true }, external, bundle.ReadmeFile,
			[]string{"certFile: /etc/kubernetes/pki/apiserver-etcd-client.crt"}, nil},
		"joins": {version("1.37.2"), join, bundle.ReadmeFile,
			[]string{"kubeadm join --config cp-2/officiant/join.yaml",
				"--ignore-preflight-errors=FileAvailable--etc-kubernetes-kubelet.conf\n",
				"--kubeconfig /etc/kubernetes/admin.conf apply -f cp-2/officiant/rbac.yaml"},
			[]string{"kubeadm init --config", "refuses to join"}},
		"joins, no endpoint": {func(c *kubepki.Cluster) { c.ControlPlaneEndpoint = "" }, join, bundle.ReadmeFile,
			[]string{"kubeadm refuses to join"}, nil},
		"worker": {version("1.20.15"), bundletest.Worker(), bundle.ReadmeFile,
			[]string{"kubeadm join --config worker-1/officiant/join.yaml",
				"FileAvailable--etc-kubernetes-kubelet.conf,FileAvailable--etc-kubernetes-pki-ca.crt"},
			[]string{"--control-plane", "rbac.yaml"}},
		"etcd": {version("1.37.2"), bundletest.EtcdOnly(), bundle.ReadmeFile,
			[]string{"etcdctl --endpoints https://10.0.0.21:2379"}, []string{"kubeadm"}},
		"v1beta4": {version("1.31.0"), join, bundle.KubeadmFile,
			[]string{"kubeadm.k8s.io/v1beta4", "- name: root-ca-file\n    value: /etc/kubernetes/pki/server-ca.crt\n"}, nil},
		"v1beta3": {version("1.30.14"), join, bundle.KubeadmFile,
			[]string{"kubeadm.k8s.io/v1beta3", "    root-ca-file: /etc/kubernetes/pki/server-ca.crt\n"}, []string{"- name"}},
		"v1beta2": {version("1.21.14"), join, bundle.KubeadmFile, []string{"kubeadm.k8s.io/v1beta2"}, nil},
		"groups": {version("1.36.0"), join, bundle.BindingsFile,
			[]string{"name: kubeadm:cluster-admins"}, []string{"kubelet-api-admin"}},
		"no groups": {version("1.36.1"), join, bundle.BindingsFile,
			[]string{"name: kubeadm:cluster-admins", "name: kube-apiserver-kubelet-client"}, nil},
		"a name of the plan's": {func(c *kubepki.Cluster) {
			c.Overrides = map[string]kubepki.Override{"kube-apiserver-kubelet-client": {CommonName: "yes: no"}}
		}, join, bundle.BindingsFile, []string{`name: "yes: no"`}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			cluster := bundletest.Cluster()
			c.cluster(&cluster)
			p := bundletest.New(t, cluster)
			b := p.Bundle(t, p.NewNode(t, c.node), 1)
			if f := b.Check(bundle.CheckOptions{Now: bundletest.Now}); len(f) > 0 {
				t.Error(f)
			}
			text, ok := b.Files[c.file]
			if !ok {
				t.Fatalf("no %s", c.file)
			}
			for _, s := range c.has {
				if !strings.Contains(string(text), s) {
					t.Errorf("does not say %q:\n%s", s, text)
				}
			}
			for _, s := range c.lacks {
				if strings.Contains(string(text), s) {
					t.Errorf("says %q:\n%s", s, text)
				}
			}
		})
	}
}

// TestNoBindingsNoFile: an empty list is no file, and none is for a worker.
func TestNoBindingsNoFile(t *testing.T) {
	docs, old := bundletest.Cluster(), bundletest.Cluster()
	docs.Naming = kubepki.NamingDocs
	old.KubernetesVersion = kubepki.Version{Major: 1, Minor: 28}
	for name, c := range map[string]struct {
		cluster kubepki.Cluster
		node    kubepki.Node
		kubeadm bool
	}{
		"docs":   {docs, bundletest.First(), true},
		"v1.28":  {old, bundletest.First(), true},
		"worker": {bundletest.Cluster(), bundletest.Worker(), false},
		"etcd":   {bundletest.Cluster(), bundletest.EtcdOnly(), false},
	} {
		p := bundletest.New(t, c.cluster)
		b := p.Bundle(t, p.NewNode(t, c.node), 1)
		if _, ok := b.Files[bundle.BindingsFile]; ok {
			t.Errorf("%s: has %s", name, bundle.BindingsFile)
		}
		if _, ok := b.Files[bundle.KubeadmFile]; ok != c.kubeadm {
			t.Errorf("%s: %s there: %t", name, bundle.KubeadmFile, ok)
		}
	}
}
