package kubeadm

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"officiant/bundle/limittest"
)

func TestParse(t *testing.T) {
	for file, want := range map[string]*Config{
		"v1beta4.yaml": {
			KubernetesVersion: "v1.37.2", ClusterName: "demo", CertificatesDir: "/etc/kubernetes/pki",
			ControlPlaneEndpoint: "api.example.test:6443", ServiceSubnet: "10.96.0.0/16,fd00:10:96::/112", DNSDomain: "k.test",
			CertSANs:           []string{"203.0.113.7", "*.lab.test", "elb-1.example.test"},
			EtcdServerCertSANs: []string{"etcd1.example.test"}, EtcdPeerCertSANs: []string{"fd00::12"},
			EncryptionAlgorithm: "ECDSA-P384", Validity: 4380 * time.Hour, CAValidity: 87600*time.Hour + 30*time.Minute,
			NodeName: "cp-1", AdvertiseAddress: "10.0.0.11", BindPort: 8443, HasCluster: true,
		},
		"v1beta3.yaml": {
			KubernetesVersion: "1.28.4", ControlPlaneEndpoint: "10.0.0.5", DNSDomain: "cluster.local",
			ExternalEtcd: true, EtcdCAFile: "/etc/kubernetes/pki/etcd/ca.crt",
			EtcdCertFile:        "/etc/kubernetes/pki/apiserver-etcd-client.crt",
			EtcdKeyFile:         "/etc/kubernetes/pki/apiserver-etcd-client.key",
			EncryptionAlgorithm: "ECDSA-P256", NodeName: "cp-2", HasCluster: true,
		},
		"join-worker.yaml":        {NodeName: "worker-1", Join: true},
		"join-control-plane.yaml": {NodeName: "cp-3", AdvertiseAddress: "fd00::13", BindPort: 6443, Join: true},
		"kind.yaml": {
			KubernetesVersion: "v1.33.1", ClusterName: "kind", ControlPlaneEndpoint: "kind-control-plane:6443",
			ServiceSubnet: "10.96.0.0/16", CertSANs: []string{"localhost", "127.0.0.1"},
			NodeName: "kind-control-plane", AdvertiseAddress: "172.18.0.2", BindPort: 6443, HasCluster: true,
		},
		"empty.yaml": {HasCluster: true},
	} {
		t.Run(file, func(t *testing.T) {
			data, err := os.ReadFile(filepath.Join("testdata", file))
			if err != nil {
				t.Fatal(err)
			}
			got, err := Parse(file, data)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

const (
	clusterHead = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n"
	oldHead     = "apiVersion: kubeadm.k8s.io/v1beta3\nkind: ClusterConfiguration\n"
	initHead    = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: InitConfiguration\n"
	joinHead    = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: JoinConfiguration\n"
)

func TestRefusals(t *testing.T) {
	for _, row := range []struct{ what, data, want string }{
		{"empty", "", "f:1:1: no ClusterConfiguration, InitConfiguration or JoinConfiguration in it"},
		{"comment", "# nothing\n", "f:1:1: no ClusterConfiguration"},
		{"other group only", "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n", "f:1:1: no ClusterConfiguration"},
		{"reset only", "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ResetConfiguration\n", "f:1:1: no ClusterConfiguration"},
		{"not YAML", clusterHead + "a: [b\n", "f:3:4: not YAML: sequence end token ']' not found"},
		{"text", "hello\n", "f:1:1: text where fields are expected"},
		{"list", "- a\n", "f:1:1: a list where fields are expected"},
		{"no kind", "---\napiVersion: kubeadm.k8s.io/v1beta4\n", "f:2:1: a document without apiVersion or kind"},
		{"no version", "kind: ClusterConfiguration\n", "f:1:1: a document without apiVersion or kind"},
		{"kind twice", clusterHead + "kind: InitConfiguration\n", `f:3:1: "kind" is there twice`},
		{"old version", "apiVersion: kubeadm.k8s.io/v1alpha3\nkind: ClusterConfiguration\n",
			"f:1:1: apiVersion kubeadm.k8s.io/v1alpha3 is of kubeadm 1.14 or older; v1beta1 to v1beta4 and v1 are read"},
		{"version to come", "apiVersion: kubeadm.k8s.io/v2\nkind: ClusterConfiguration\n",
			"f:1:1: apiVersion kubeadm.k8s.io/v2 is none that kubeadm 1.37 or older has"},
		{"unknown kind", "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfig\n", "f:1:1: kubeadm.k8s.io/v1beta4 has no kind ClusterConfig"},
		{"two of one kind", clusterHead + "---\n" + clusterHead, "f:4:1: a second ClusterConfiguration"},
		{"place in a later document", "---\n---\n" + clusterHead + "--- # c\n" + initHead + "nodeRegistraton: 1\n",
			`f:8:1: InitConfiguration: unknown field "nodeRegistraton"`},
		{"syntax in a later document", clusterHead + "---\n" + initHead + "kind: x\n", `f:6:1: "kind" is there twice`},
		{"value in an earlier document", clusterHead + "clusterName: 1\n---\n" + initHead, "f:3:14: ClusterConfiguration.clusterName"},
		{"bad value in an earlier document", clusterHead + "certificatesDir: a\n---\n" + initHead, "f:3:18: ClusterConfiguration.certificatesDir"},
		{"on the marker's line", "--- hello\n", "f:1:5: text where fields are expected"},
		{"second document after dots", clusterHead + "...\n" + initHead, "f:4:1: a second document without --- before it"},
		{"too large", "#" + strings.Repeat("x", 256<<10), "f:1:1: has 262145 bytes, more than the 262144 that are read"},
		{"too deep", clusterHead + strings.Repeat("[", 100_000), "f:3:1: nested more than 64 deep"},
		{"too deep entries", strings.Repeat("- ", 100_000), "f:1:1: nested more than 64 deep"},

		{"unknown field", clusterHead + "networking:\n  dnsDomian: x\n", `f:4:3: ClusterConfiguration.networking: unknown field "dnsDomian"`},
		{"wrong case", clusterHead + "apiServer:\n  certSans: [a]\n", `f:4:3: ClusterConfiguration.apiServer: unknown field "certSans", did you mean certSANs?`},
		{"too new a field", oldHead + "encryptionAlgorithm: RSA-2048\n",
			`f:3:1: ClusterConfiguration: unknown field "encryptionAlgorithm": only v1beta4 and later have it, this document ` +
				`is v1beta3`},
		{"wrong place", clusterHead + "dnsDomain: x\n", `f:3:1: ClusterConfiguration: unknown field "dnsDomain"`},
		{"number for a name", clusterHead + "1: x\n", "f:3:1: a number where a field's name is expected"},
		{"text for fields", clusterHead + "networking: x\n", "f:3:13: ClusterConfiguration.networking: text where fields are expected"},
		{"alias of nothing", clusterHead + "networking: *n\n", "ClusterConfiguration.networking: an anchor, alias or merge " +
			"key where fields are expected"},
		{"alias of itself", clusterHead + "networking: &n {<<: *n}\n", "more than 1000 merge keys"},
		{"tag", clusterHead + "clusterName: !!binary x\n", "ClusterConfiguration.clusterName: a tag where text is expected"},

		{"version as number", clusterHead + "kubernetesVersion: 1.30\n", "f:3:20: ClusterConfiguration.kubernetesVersion: a number where text is expected; put it in quotes"},
		{"version label", clusterHead + "kubernetesVersion: stable-1\n",
			`f:3:20: ClusterConfiguration.kubernetesVersion: "stable-1" is a label that only the network resolves; ` +
				`it does not name one release such as v1.37.2`},
		{"no patch", clusterHead + "kubernetesVersion: v1.37\n", `"v1.37" does not name one release`},
		{"YAML 1.1", clusterHead + "clusterName: on\n", "f:3:14: ClusterConfiguration.clusterName: on is true or false to " +
			"kubeadm, where text is expected"},
		{"relative directory", clusterHead + "certificatesDir: pki\n", `f:3:18: ClusterConfiguration.certificatesDir: "pki" is not an absolute path`},
		{"endpoint URL", clusterHead + "controlPlaneEndpoint: https://a:6443\n",
			`f:3:23: ClusterConfiguration.controlPlaneEndpoint: "https://a:6443" is a URL`},
		{"endpoint port", clusterHead + "controlPlaneEndpoint: a:65536\n", "has the port \"65536\""},
		{"endpoint wildcard", clusterHead + "controlPlaneEndpoint: '*.a.test'\n", "is a wildcard"},
		{"subnet", clusterHead + "networking:\n  serviceSubnet: 10.96.0.0/33\n", `f:4:18: ClusterConfiguration.networking.serviceSubnet: "10.96.0.0/33" is not a subnet such as 10.96.0.0/12`},
		{"three subnets", clusterHead + "networking: {serviceSubnet: '10.1.0.0/16,10.2.0.0/16,10.3.0.0/16'}\n", "more than two subnets"},
		{"domain", clusterHead + "networking: {dnsDomain: Cluster.local}\n", `"Cluster.local" has capitals`},
		{"bad SAN", clusterHead + "apiServer:\n  certSANs:\n  - ok.test\n  - foo_bar\n",
			`f:6:5: ClusterConfiguration.apiServer.certSANs[1]: "foo_bar" has an underscore`},
		{"inner wildcard", clusterHead + "apiServer: {certSANs: [a.*.test]}\n", "certSANs[0]"},
		{"mistyped address", clusterHead + "apiServer: {certSANs: [10.0.0.256]}\n", "certSANs[0]"},
		{"SAN list is text", clusterHead + "apiServer: {certSANs: a.test}\n", "text where a list is expected"},
		{"SAN is a list", clusterHead + "apiServer: {certSANs: [[a]]}\n", "certSANs[0]: a list where text is expected"},
		{"SAN is nothing", clusterHead + "apiServer: {certSANs: [~]}\n", "certSANs[0]: nothing where text is expected"},
		{"etcd SAN in capitals", clusterHead + "etcd: {local: {serverCertSANs: [A.test]}}\n",
			`ClusterConfiguration.etcd.local.serverCertSANs[0]: "A.test" has capitals, which kubeadm takes in ` +
				`apiServer.certSANs alone; write a.test`},
		{"relative file of an external etcd", clusterHead + "etcd: {external: {caFile: ca.crt}}\n",
			`ClusterConfiguration.etcd.external.caFile: "ca.crt" is not an absolute path`},
		{"unclosed quote", clusterHead + "clusterName: \"demo\nfeatureGates: {}\n# \"x\"\n",
			"f:3:14: not YAML: the quote that opens here closes only in line 5"},
		{"UTF-16 cut", "\xff\xfea", "f:1:1: is UTF-16 and has half a character at its end"},
		{"too many documents", strings.Repeat("---\n", 100), "f:63:1: more than 64 documents"},
		{"etcd peer SAN", clusterHead + "etcd: {local: {peerCertSANs: [fe80::1%e]}}\n", "ClusterConfiguration.etcd.local.peerCertSANs[0]"},
		{"two etcds", clusterHead + "etcd:\n  local: {}\n  external: {endpoints: [https://a]}\n", "ClusterConfiguration.etcd.external: stands beside local, etcd is one or the other"},
		{"algorithm", clusterHead + "encryptionAlgorithm: Ed25519\n", `"Ed25519" is not one of RSA-2048, RSA-3072, RSA-4096, ECDSA-P256, ECDSA-P384`},
		{"gate and algorithm", clusterHead + "encryptionAlgorithm: RSA-4096\nfeatureGates: {PublicKeysECDSA: true}\n", "f:4:33: ClusterConfiguration.featureGates.PublicKeysECDSA: contradicts encryptionAlgorithm RSA-4096"},
		{"gate is text", clusterHead + "featureGates: {PublicKeysECDSA: 'true'}\n", "text where true or false is expected"},
		{"duration", clusterHead + "certificateValidityPeriod: 1y\n", `f:3:28: ClusterConfiguration.certificateValidityPeriod: "1y" is not a duration such as 8760h`},
		{"negative duration", clusterHead + "caCertificateValidityPeriod: -1h\n", "is no time"},

		{"node name", initHead + "nodeRegistration: {name: cp_1}\n",
			`f:3:26: InitConfiguration.nodeRegistration.name: "cp_1" has an underscore`},
		{"address", initHead + "localAPIEndpoint:\n  advertiseAddress: 10.0.0\n", `f:4:21: InitConfiguration.localAPIEndpoint.advertiseAddress: "10.0.0" is not an IP address`},
		{"port is text", initHead + "localAPIEndpoint: {bindPort: '6443'}\n",
			"InitConfiguration.localAPIEndpoint.bindPort: text where a whole number is expected"},
		{"port", initHead + "localAPIEndpoint: {bindPort: 65536}\n", "65536 is no port"},
		{"huge port", initHead + "localAPIEndpoint: {bindPort: 99999999999}\n", "99999999999 is too large a number"},
		{"join address", joinHead + "controlPlane: {localAPIEndpoint: {advertiseAddress: x}}\n", "JoinConfiguration.controlPlane.localAPIEndpoint.advertiseAddress"},
		{"init field in join", joinHead + "localAPIEndpoint: {}\n", `JoinConfiguration: unknown field "localAPIEndpoint"`},
		{"two names", initHead + "nodeRegistration: {name: a}\n---\n" + joinHead + "nodeRegistration: {name: b}\n", "f:7:26: JoinConfiguration.nodeRegistration.name: b, but the InitConfiguration says a"},
	} {
		t.Run(row.what, func(t *testing.T) {
			got, err := Parse("f", []byte(row.data))
			if err == nil {
				t.Fatalf("read as %+v", got)
			}
			if !strings.Contains(err.Error(), row.want) {
				t.Errorf("got  %v\nwant %s", err, row.want)
			}
			if e, ok := errors.AsType[*Error](err); !ok || e.File != "f" || e.Line < 1 || e.Column < 1 {
				t.Errorf("no place: %#v", err)
			}
		})
	}
}

func TestLineEndsAndMark(t *testing.T) {
	text := "\ufeff" + strings.ReplaceAll(
		"---\n"+clusterHead+"clusterName: a\n---\n"+initHead+"nodeRegistration: {name: b}\n",
		"\n",
		"\r\n",
	)
	c, err := Parse("f", []byte(text))
	if err != nil || c.ClusterName != "a" || c.NodeName != "b" || c.Join {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestAllMistakesAtOnce(t *testing.T) {
	_, err := Parse("f", []byte(clusterHead+"networking: {dnsDomain: A, serviceSubnet: x}\netcd: {locl: {}}\n"))
	if n := strings.Count(err.Error(), "f:"); n != 3 {
		t.Errorf("%d mistakes: %v", n, err)
	}
}

// Tokens and keys stand in such files; no error may repeat them.
func TestErrorsKeepSecrets(t *testing.T) {
	const secret = "abcdef.0123456789abcdef"
	for _, data := range []string{
		initHead + "bootstrapTokens:\n- token: " + secret + "\nlocalAPIEndpont: " + secret + "\n",
		initHead + "certificateKey: " + secret + "\n  oops\n: [",
		joinHead + "discovery:\n  bootstrapToken: {token: \"" + secret + "\n",
		joinHead + "discovery: {tlsBootstrapToken: " + secret + "\n",
		joinHead + "discovery: " + secret + "\n",
		joinHead + "controlPlane: " + secret + "\n",
	} {
		if _, err := Parse("f", []byte(data)); err == nil || strings.Contains(err.Error(), "abcdef") {
			t.Errorf("%v", err)
		}
	}
}

func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.*")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(clusterHead + "a: &b [*b]\n? x\n: {}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		defer limittest.Budget(t)()
		c, err := Parse("f", data)
		if (c == nil) == (err == nil) {
			t.Fatalf("%v and %v", c, err)
		}
		if err != nil {
			if e, ok := errors.AsType[*Error](err); !ok || e.Line < 1 {
				t.Errorf("no place: %v", err)
			}
			return
		}
		for _, san := range append(append(c.CertSANs, c.EtcdServerCertSANs...), c.EtcdPeerCertSANs...) {
			if _, ok := parseAddr(san); !ok && checkSAN(san) != nil {
				t.Errorf("a bad name: %q", san)
			}
		}
	})
}
