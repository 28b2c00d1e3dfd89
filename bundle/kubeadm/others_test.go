package kubeadm

import (
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
)

// What kubeadm reads and means something clear by is read as kubeadm reads it.
func TestAsKubeadmReads(t *testing.T) {
	for _, row := range []struct {
		what, data string
		want       Config
	}{
		{"vendor's release", "kubernetesVersion: v1.31.4+vmware.1\n", Config{KubernetesVersion: "v1.31.4"}},
		{"distribution's release", "kubernetesVersion: 1.32.3-eks-1-32-10\n", Config{KubernetesVersion: "1.32.3"}},
		{"candidate", "kubernetesVersion: v1.36.0-rc.1\n", Config{KubernetesVersion: "v1.36.0"}},
		{"host bits", "networking: {serviceSubnet: 10.96.0.1/12}\n", Config{ServiceSubnet: "10.96.0.0/12"}},
		{"an IPv4 subnet written as IPv6", "networking: {serviceSubnet: '::ffff:10.96.0.0/112'}\n",
			Config{ServiceSubnet: "10.96.0.0/16"}},
		{"host bits, two", "networking: {serviceSubnet: '10.96.0.1/16,fd00::1/112'}\n",
			Config{ServiceSubnet: "10.96.0.0/16,fd00::/112"}},
		{"capitals", "apiServer: {certSANs: [API.Example.TEST, '*.LAB.test', FD00::A]}\n",
			Config{CertSANs: []string{"api.example.test", "*.lab.test", "fd00::a"}}},
		{"any address", "apiServer: {certSANs: [0.0.0.0, '::', '::1', 224.0.0.1]}\n",
			Config{CertSANs: []string{"0.0.0.0", "::", "::1", "224.0.0.1"}}},
		{"IPv6 in flow style", "apiServer:\n  certSANs: [::1, fd00::10, 127.0.0.1]\n", Config{CertSANs: []string{"::1",
			"fd00::10", "127.0.0.1"}}},
		{"leading zeros", "apiServer: {certSANs: [010.000.0.09]}\n", Config{CertSANs: []string{"10.0.0.9"}}},
		{"IPv4 in IPv6", "apiServer: {certSANs: ['::ffff:10.0.0.9']}\n", Config{CertSANs: []string{"10.0.0.9"}}},
		{"alias", "networking: &n {dnsDomain: a.test}\nx-net: *n\n", Config{DNSDomain: "a.test"}},
		{"merge key", "x-common: &c {dnsDomain: a.test, serviceSubnet: 10.1.0.0/16}\nnetworking:\n  <<: *c\n  dnsDomain: " +
			"b.test\n",
			Config{DNSDomain: "b.test", ServiceSubnet: "10.1.0.0/16"}},
		{"tag", "clusterName: !!str 2026\n", Config{ClusterName: "2026"}},
		{"switch of YAML 1.1", "featureGates: {PublicKeysECDSA: yes}\n", Config{EncryptionAlgorithm: "ECDSA-P256"}},
		{"a gate that says nothing", "featureGates: {PublicKeysECDSA: }\n", Config{}},
		{"a key behind ?", "? clusterName\n: demo\n", Config{ClusterName: "demo"}},
		{"no port in IPv6", "controlPlaneEndpoint: '[fd00::1]:'\n", Config{ControlPlaneEndpoint: "fd00::1"}},
		{"quoted number", "clusterName: '5e10'\n", Config{ClusterName: "5e10"}},
		{"no number", "clusterName: 0x1g\n", Config{ClusterName: "0x1g"}},
		{"quoted words", "clusterName: 'on'\n", Config{ClusterName: "on"}},
	} {
		got, err := Parse("f", []byte(clusterHead+row.data))
		if err != nil {
			t.Errorf("%s: %v", row.what, err)
			continue
		}
		row.want.HasCluster, got.Notes = true, nil
		if diff := cmp.Diff(&row.want, got); diff != "" {
			t.Errorf("%s: %s", row.what, diff)
		}
	}
}

// A port is a number in YAML 1.1, and the second document of two files that were put
// together has a byte order mark of its own.
func TestPutTogether(t *testing.T) {
	for text, want := range map[string]int{
		"06443": 0o6443, "08443": 8443, "6443.0": 6443, "6_443": 6443, "0x192b": 6443,
	} {
		file := "\ufeff" + clusterHead + "---\r\n\ufeff" + initHead + "localAPIEndpoint: {bindPort: " + text + "}\n"
		if c, err := Parse("f", []byte(file)); err != nil || c.BindPort != want || !c.HasCluster {
			t.Errorf("%s: %+v, %v", text, c, err)
		}
	}
}

// Each API version that the kubeadm of a supported release wrote, with a field only
// it has.
func TestVersions(t *testing.T) {
	for version, field := range map[string]string{
		"v1beta1": "useHyperKubeImage: false\ndns: {type: CoreDNS}\n",
		"v1beta2": "apiServer: {timeoutForControlPlane: 5m0s}\ndns: {type: CoreDNS}\n",
		"v1beta3": "apiServer: {timeoutForControlPlane: 4m0s}\n",
		"v1beta4": "proxy: {disabled: true}\n",
		"v1":      "proxy: {disabled: true}\n",
	} {
		c, err := Parse("f", []byte("apiVersion: kubeadm.k8s.io/"+version+"\nkind: ClusterConfiguration\nclusterName: "+
			"a\n"+field+
			"---\napiVersion: kubeadm.k8s.io/"+version+"\nkind: InitConfiguration\nlocalAPIEndpoint: {advertiseAddress: "+
			"10.0.0.1}\n"))
		if err != nil || c.ClusterName != "a" || c.AdvertiseAddress != "10.0.0.1" || len(c.Notes) > 0 {
			t.Errorf("%s: %+v, %v", version, c, err)
		}
	}
}

// A ConfigMap of a cluster up to 1.21 has a ClusterStatus, and what kubectl prints
// without a name is a list of ConfigMaps.
func TestOldMapInAList(t *testing.T) {
	text := "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: ConfigMap\n  metadata: {name: coredns}\n" +
		"- apiVersion: v1\n  kind: ConfigMap\n  metadata: {name: kubeadm-config}\n  data:\n    ClusterConfiguration: |\n" +
		"      apiVersion: kubeadm.k8s.io/v1beta2\n      kind: ClusterConfiguration\n      clusterName: old\n" +
		"    ClusterStatus: |\n      apiVersion: kubeadm.k8s.io/v1beta2\n      kind: ClusterStatus\n"
	c, err := Parse("f", []byte(text))
	if err != nil || c.ClusterName != "old" {
		t.Errorf("%+v, %v", c, err)
	}
}

// Files from Windows editors.
func TestUTF16(t *testing.T) {
	var data []byte
	for _, u := range utf16.Encode([]rune("\ufeff" + strings.ReplaceAll(clusterHead+"clusterName: a # \u00e9\n", "\n",
		"\r\n"))) {
		data = append(data, byte(u), byte(u>>8))
	}
	c, err := Parse("f", data)
	if err != nil || c.ClusterName != "a" {
		t.Errorf("%+v, %v", c, err)
	}
}

// What a caller has from elsewhere is not judged, whatever its type.
func TestGiven(t *testing.T) {
	text := clusterHead + "kubernetesVersion: 1.30\nclusterName: a\n"
	c, err := Given{"ClusterConfiguration.kubernetesVersion"}.ParseFiles(File{"f", []byte(text)})
	if err != nil || c.KubernetesVersion != "" || c.ClusterName != "a" {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err := Parse("f", []byte(text)); err == nil {
		t.Error("judged by nobody")
	}
}

func TestUnknownFields(t *testing.T) {
	c, err := Parse("f", []byte(clusterHead+"x-mine: 1\nimageRepositry: r.test\n"))
	if err != nil {
		t.Fatal(err)
	}
	var notes []string
	for _, n := range c.Notes {
		notes = append(notes, n.Error())
	}
	want := []string{
		`f:3:1: ClusterConfiguration: unknown field "x-mine" is left out, as kubeadm leaves it out`,
		`f:4:1: ClusterConfiguration: unknown field "imageRepositry" is left out, as kubeadm leaves it out; did you mean ` +
			`imageRepository?`,
	}
	if diff := cmp.Diff(want, notes); diff != "" {
		t.Error(diff)
	}
}
