package kubeadm

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// inMap puts a configuration into the ConfigMap as kubectl prints it.
func inMap(text string) string {
	return "apiVersion: v1\ndata:\n  ClusterConfiguration: |\n    " + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n    ") +
		"\nkind: ConfigMap\nmetadata:\n  name: kubeadm-config\n"
}

func TestConfigMap(t *testing.T) {
	want := Config{
		KubernetesVersion: "v1.37.2", ClusterName: "demo", CertificatesDir: "/etc/kubernetes/pki",
		ControlPlaneEndpoint: "api.demo.test:6443", ServiceSubnet: "10.96.0.0/12", DNSDomain: "cluster.local",
		CertSANs: []string{"api.lab.test"}, EncryptionAlgorithm: "RSA-2048",
		Validity: 8760 * time.Hour, CAValidity: 87600 * time.Hour, HasCluster: true,
	}
	join := File{"join.yaml", []byte(joinHead + "nodeRegistration: {name: worker-2}\n")}
	joined := want
	joined.Join, joined.NodeName = true, "worker-2"
	for _, name := range []string{"configmap.yaml", "configmap.json"} {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		alone, err := Parse(name, data)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(&want, alone); diff != "" {
			t.Error(name, diff)
		}
		for _, files := range [][]File{
			{{name, data}, join}, {join, {name, data}},
			{{"both", []byte(string(data) + "---\n" + string(join.Data))}},
		} {
			got, err := ParseFiles(files...)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&joined, got); diff != "" {
				t.Error(name, diff)
			}
		}
	}
}

func TestConfigMapRefusals(t *testing.T) {
	named := func(data string) string {
		return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: kubeadm-config}\n" + data
	}
	for _, row := range []struct{ what, data, want string }{
		{"another ConfigMap", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: kubelet-config}\ndata: {kubelet: a}\n", "f:1:1: no ClusterConfiguration"},
		{"nameless", "apiVersion: v1\nkind: ConfigMap\ndata: {ClusterConfiguration: a}\n", "f:1:1: no ClusterConfiguration"},
		{"a list", "apiVersion: v1\nkind: List\nitems: []\n", "f:1:1: no ClusterConfiguration"},
		{"no data", named(""), "f:1:1: the ConfigMap kubeadm-config has no data.ClusterConfiguration"},
		{"other data", named("data: {ClusterStatus: a}\n"), "f:1:1: the ConfigMap kubeadm-config has no data.ClusterConfiguration"},
		{"data is text", named("data: a\n"), "f:1:1: the ConfigMap kubeadm-config has no data.ClusterConfiguration"},
		{"not text", named("data: {ClusterConfiguration: {kind: x}}\n"), "f:4:30: data.ClusterConfiguration: fields where text is expected"},
		{"empty", named("data: {ClusterConfiguration: ''}\n"), "f:4:30: data.ClusterConfiguration: holds no ClusterConfiguration"},
		{"another kind", inMap(joinHead), "f:3:25: data.ClusterConfiguration: holds no ClusterConfiguration"},
		{"old version", inMap("apiVersion: kubeadm.k8s.io/v1alpha3\nkind: ClusterConfiguration\n"),
			"f:4:5: apiVersion kubeadm.k8s.io/v1alpha3 is of kubeadm 1.14"},
		{"unknown field", inMap(clusterHead + "apiServer:\n  certSans: [a]\n"), `f:7:7: ClusterConfiguration.apiServer: unknown field "certSans"`},
		{"bad SAN", inMap(clusterHead + "\napiServer: {certSANs: [a_b]}\n"), "f:7:28: ClusterConfiguration.apiServer.certSANs[0]"},
		{"not YAML", inMap(clusterHead + "a: [b\n"), "f:6:8: not YAML"},
		{"in quotes", named(`data: {ClusterConfiguration: "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ` +
			`ClusterConfiguration\nclusterNam: 1\n"}` + "\n"), `f:4:30: ClusterConfiguration: unknown field "clusterNam"`},
		{"deep in quotes", named(`data: {ClusterConfiguration: "` + strings.Repeat(`\x5b`, 200) + `"}` + "\n"), "f:4:30: nested more than 64 deep"},
		{"a ConfigMap in it", inMap(inMap(clusterHead)), "f:4:5: a ConfigMap inside a ConfigMap"},
		{"two clusters", inMap(clusterHead) + "---\n" + clusterHead, "f:10:1: a second ClusterConfiguration"},
	} {
		t.Run(row.what, func(t *testing.T) {
			got, err := Parse("f", []byte(row.data))
			if err == nil {
				t.Fatalf("read as %+v", got)
			}
			if !strings.HasPrefix(err.Error(), row.want) {
				t.Errorf("got  %v\nwant %s", err, row.want)
			}
		})
	}
}

func TestTwoFilesAreNamed(t *testing.T) {
	_, err := ParseFiles(File{"a", []byte(clusterHead)}, File{"b", []byte(clusterHead)})
	if err == nil || err.Error() != "b:1:1: a second ClusterConfiguration" {
		t.Error(err)
	}
	_, err = ParseFiles(File{"a", []byte(clusterHead + "clusterName: 1\n")}, File{"b", []byte("# nothing\n" + joinHead +
		"controlPlan: 1\n")})
	if err == nil || !strings.HasPrefix(err.Error(), "a:3:14: ") || !strings.Contains(err.Error(), "\nb:4:1: ") {
		t.Error(err)
	}
	if _, err = ParseFiles(File{"a", nil}, File{"b", nil}); err == nil || !strings.HasPrefix(err.Error(), "a, b:1:1: no ClusterConfiguration") {
		t.Error(err)
	}
}
