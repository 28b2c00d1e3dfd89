package kubeadm

import (
	"strings"
	"testing"

	"officiant/bundle/refusaltest"
)

// TestReasons is the catalogue of what a kubeadm configuration is refused with, and of
// what is noted. What is taken is what kubeadm 1.37 takes; acceptance compares.
func TestReasons(t *testing.T) {
	read := func(data []byte) error {
		c, err := Parse("f", data)
		if err == nil && len(c.Notes) > 0 {
			return c.Notes[0]
		}
		return err
	}
	cluster := func(s string) string { return clusterHead + s + "\n" }
	san := func(s string) string { return cluster("apiServer: {certSANs: [" + s + "]}") }
	to := func(s string) string { return cluster("controlPlaneEndpoint: " + s) }
	subnet := func(s string) string { return cluster("networking: {serviceSubnet: '" + s + "'}") }
	node := func(s string) string { return initHead + s + "\n" }
	named := func(s string) string { return node("nodeRegistration: {name: " + s + "}") }
	both := func(a, b string) string { return node(a) + "---\n" + joinHead + b + "\n" }
	config := func(text string) string {
		return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: kubeadm-config}\n" + text
	}
	long := strings.Repeat("a", 64)
	refusaltest.Hold(
		t,
		refusaltest.Table{
			Read:    read,
			Sources: []string{"check.go", "kubeadm.go", "read.go", "yaml.go", "configmap.go", "schema.go"},
			Except:  map[string]string{"only versions up to": "no field that is read here is gone from a version so far"},
			Rows: []refusaltest.Row{
				// Names.
				{Of: "empty", Data: san("''"), Says: `"" is empty`, Not: san("a")},
				{Of: "spaces", Data: san("' a.test '"), Says: "has spaces around it", Not: named("' a '")},
				{Of: "a URL", Data: to("https://a.test:6443"), Says: "is a URL", Not: to("a.test:6443")},
				{Of: "a path", Data: to("a.test:6443/x"), Says: "has a slash", Not: to("'a.test:'")},
				{Of: "a subnet", Data: san("10.0.0.0/8"), Says: "has a slash", Not: san("10.0.0.0")},
				{Of: "a zone", Data: san("'fe80::1%eth0'"), Says: "has a zone", Not: san("'FE80::1'")},
				{Of: "brackets", Data: to("'[fd00::1]'"), Says: "stands in brackets", Not: to("'[fd00::1]:6443'")},
				{Of: "a port", Data: san("a.test:6443"), Says: "has a port, where a name alone belongs", Not: san("'a::6443'")},
				{Of: "a port that is none", Data: to("a:70000"), Says: `has the port "70000"`, Not: to("a:06443")},
				{Of: "stars", Data: san("'*.*.a'"), Says: "has a * elsewhere", Not: san("'*.a'")},
				{Of: "a wildcard to connect to", Data: to("'*.a.test'"), Says: "is a wildcard, and nobody can", Not: to("a.test")},
				{
					Of:   "a dot",
					Data: cluster("networking: {dnsDomain: cluster.local.}"),
					Says: "ends in a dot",
					Not:  cluster("networking: {dnsDomain: local}"),
				},
				{
					Of:   "an underscore",
					Data: named("cp_1"),
					Says: "has an underscore, which no host's name has (RFC 1123); a node's name",
					Not:  named("cp-1"),
				},
				{Of: "letters", Data: san("münchen.test"), Says: "write the xn-- form", Not: san("xn--mnchen-3ya.test")},
				{Of: "capitals", Data: to("API.test"), Says: "write api.test", Not: san("API.test")},
				{Of: "a long label", Data: named(long), Says: "is longer than DNS has names", Not: named(long[1:])},
				{
					Of:   "a mistyped address",
					Data: san("256.1.1.1"),
					Says: "looks like an IP address and is none",
					Not:  san("1.1.1.a"),
				},
				{Of: "neither", Data: san("-a-"), Says: "is neither an IP address nor", Not: san("a-a")},
				{Of: "an address", Data: node("localAPIEndpoint: {advertiseAddress: cp-1}"), Says: `"cp-1" is not an IP address`,
					Not: node("localAPIEndpoint: {advertiseAddress: 010.0.0.1}")},

				// Other fields.
				{
					Of:   "a duration",
					Data: cluster("certificateValidityPeriod: 100d"),
					Says: "is not a duration such as 8760h",
					Not:  cluster("certificateValidityPeriod: 1.5h"),
				},
				{
					Of:   "no duration",
					Data: cluster("certificateValidityPeriod: 0s"),
					Says: "is no time that a certificate",
					Not:  cluster("certificateValidityPeriod: ''"),
				},
				{
					Of:   "a label of releases",
					Data: cluster("kubernetesVersion: stable-1"),
					Says: "is a label that only the network",
					Not:  cluster("kubernetesVersion: v1.36.0-rc.1"),
				},
				{
					Of:   "no release",
					Data: cluster("kubernetesVersion: v1.37"),
					Says: "does not name one release",
					Not:  cluster("kubernetesVersion: 1.37.0"),
				},
				{
					Of:   "a relative path",
					Data: cluster("certificatesDir: pki"),
					Says: `"pki" is not an absolute path`,
					Not:  cluster("certificatesDir: /etc/pki/"),
				},
				{
					Of:   "an algorithm",
					Data: cluster("encryptionAlgorithm: rsa-2048"),
					Says: "is not one of RSA-2048",
					Not:  cluster("encryptionAlgorithm: RSA-3072"),
				},
				{
					Of:   "two algorithms",
					Data: cluster("encryptionAlgorithm: RSA-2048\nfeatureGates: {PublicKeysECDSA: true}"),
					Says: "contradicts encryptionAlgorithm RSA-2048",
					Not:  cluster("encryptionAlgorithm: ECDSA-P256\nfeatureGates: {PublicKeysECDSA: true}"),
				},
				{
					Of:   "three subnets",
					Data: subnet("10.0.0.0/12,fd00::/108,10.1.0.0/16"),
					Says: "has more than two subnets",
					Not:  subnet("10.0.0.0/12,fd00::/108"),
				},
				{Of: "no subnet", Data: subnet("10.96.0.0"), Says: "is not a subnet such as", Not: subnet("010.96.0.1/012")},
				{
					Of:   "two etcds",
					Data: cluster("etcd: {local: {}, external: {}}"),
					Says: "stands beside local",
					Not:  cluster("etcd: {external: {}}"),
				},
				{
					Of:   "a node's port",
					Data: node("localAPIEndpoint: {bindPort: -1}"),
					Says: "-1 is no port",
					Not:  node("localAPIEndpoint: {bindPort: 0}"),
				},
				{Of: "two ports", Data: both("localAPIEndpoint: {bindPort: 1}", "controlPlane: {localAPIEndpoint: {bindPort: 2}}"),
					Says: "2, but the InitConfiguration says 1",
					Not:  both("localAPIEndpoint: {bindPort: 1}", "controlPlane: {localAPIEndpoint: {bindPort: 1}}")},
				{
					Of:   "two nodes",
					Data: both("nodeRegistration: {name: a}", "nodeRegistration: {name: b}"),
					Says: "b, but the InitConfiguration says a",
					Not:  both("nodeRegistration: {name: a}", "nodeRegistration: {name: A}"),
				},

				// Shapes.
				{
					Of:   "a number for text",
					Data: cluster("clusterName: 1"),
					Says: "a number where text is expected; put it in quotes",
					Not:  cluster("clusterName: '1'"),
				},
				{
					Of:   "a switch for text",
					Data: cluster("clusterName: yes"),
					Says: "yes is true or false to kubeadm",
					Not:  cluster("clusterName: 'yes'"),
				},
				{
					Of:   "a boolean for text",
					Data: cluster("clusterName: true"),
					Says: "true or false where text is expected; put it in quotes",
					Not:  cluster("clusterName: ~"),
				},
				{
					Of:   "a list for text",
					Data: cluster("clusterName: [a]"),
					Says: "a list where text is expected",
					Not:  cluster("clusterName: a"),
				},
				{
					Of:   "a tag for text",
					Data: cluster("clusterName: !!int 1"),
					Says: "a tag where text is expected",
					Not:  cluster("clusterName: !!str 1"),
				},
				{
					Of:   "text for a list",
					Data: cluster("apiServer: {certSANs: a}"),
					Says: "text where a list is expected",
					Not:  cluster("apiServer: {certSANs: ~}"),
				},
				{
					Of:   "text for a number",
					Data: node("localAPIEndpoint: {bindPort: '1'}"),
					Says: "text where a whole number is expected",
					Not:  node("localAPIEndpoint: {bindPort: 0x10}"),
				},
				{
					Of:   "text for a switch",
					Data: cluster("featureGates: {a: 'b'}"),
					Says: "text where true or false is expected",
					Not:  cluster("featureGates: {a: yes}"),
				},
				{Of: "nothing in a list", Data: san("~"), Says: "nothing where text is expected", Not: san("a")},
				{
					Of:   "a number of YAML 1.1 for text",
					Data: node("nodeRegistration: {name: 5e10}"),
					Says: "5e10 is a number to kubeadm, where text is expected; put it in quotes",
					Not:  node("nodeRegistration: {name: 5e}"),
				},
				{
					Of:   "half a port",
					Data: node("localAPIEndpoint: {bindPort: 6443.5}"),
					Says: "6443.5 is not a whole number",
					Not:  node("localAPIEndpoint: {bindPort: 6443.0}"),
				},
				{
					Of:   "a port of any length",
					Data: node("localAPIEndpoint: {bindPort: 1e12}"),
					Says: "1e12 is too large a number",
					Not:  node("localAPIEndpoint: {bindPort: 1e3}"),
				},
				{Of: "two in one", Data: san("'a,b'"), Says: "has a comma: one name belongs here", Not: san("a,b")},
				{Of: "two words", Data: san("a b"), Says: "has a space in it: one name belongs here", Not: san("a")},
				{Of: "a mail address", Data: san("a@b.test"), Says: "is a mail address", Not: san("b.test")},
				{
					Of:   "an address for a node's name",
					Data: node("nodeRegistration: {name: 'fd00::1'}"),
					Says: "is an address, where a name belongs",
					Not:  node("nodeRegistration: {name: '10.0.0.1'}"),
				},
				{Of: "a time", Data: san("12:30:45"), Says: "is neither an IP address nor", Not: san("12h")},
				{
					Of:   "text for fields",
					Data: cluster("networking: a"),
					Says: "text where fields are expected",
					Not:  cluster("networking: {}"),
				},
				{
					Of:      "an alias of nothing",
					Data:    cluster("clusterName: *a"),
					Says:    "an anchor, alias or merge key where text is expected",
					Not:     cluster("a: &a x\nclusterName: *a"),
					Instead: `unknown field "a"`,
				},
				{
					Of:   "a number for a name",
					Data: cluster("1: b"),
					Says: "a number where a field's name is expected",
					Not:  cluster("clusterName: b"),
				},
				{
					Of:   "twice",
					Data: cluster("clusterName: a\nclusterName: b"),
					Says: `"clusterName" is there twice; kubeadm takes the last`,
					Not:  cluster("clusterName: a\nclusterName: a"),
				},
				{
					Of:      "merges",
					Data:    cluster("a: &a {b: c}\nx: &x {<<: *a}\napiServer: {<<: [" + strings.Repeat("*x, ", 1100) + "]}"),
					Says:    "more than 1000 merge keys",
					Not:     cluster("x: &x {clusterName: a}\n<<: *x"),
					Instead: `unknown field "x"`,
				},

				// Fields and kinds.
				{
					Of:      "a slip",
					Data:    cluster("apiServer: {certSans: [a]}"),
					Says:    `unknown field "certSans", did you mean certSANs?`,
					Not:     cluster("apiServer: {zzz: [a]}"),
					Instead: `unknown field "zzz" is left out`,
				},
				{
					Of:   "a slip that does not matter",
					Data: cluster("imageRepositry: a"),
					Says: "did you mean imageRepository?",
					Not:  cluster("imageRepository: r.test/a@sha256:x"),
				},
				{
					Of:   "another place",
					Data: cluster("dnsDomain: a"),
					Says: "its place is ClusterConfiguration.networking",
					Not:  cluster("networking: {dnsDomain: a}"),
				},
				{
					Of:   "a later version's",
					Data: "apiVersion: kubeadm.k8s.io/v1beta3\nkind: ClusterConfiguration\ncertificateValidityPeriod: 1h\n",
					Says: "only v1beta4 and later have it",
					Not:  cluster("certificateValidityPeriod: 1h"),
				},
				{
					Of:   "an old version",
					Data: "apiVersion: kubeadm.k8s.io/v1alpha3\nkind: ClusterConfiguration\n",
					Says: "is of kubeadm 1.14 or older",
					Not:  "apiVersion: kubeadm.k8s.io/v1beta1\nkind: ClusterConfiguration\n",
				},
				{
					Of:   "a version to come",
					Data: "apiVersion: kubeadm.k8s.io/v2\nkind: ClusterConfiguration\n",
					Says: "none that kubeadm 1.37 or older has",
				},
				{
					Of:      "a kind mistyped",
					Data:    "apiVersion: kubeadm.k8s.io/v1\nkind: ClusterConfig\n",
					Says:    "has no kind ClusterConfig; did you mean ClusterConfiguration?",
					Not:     "apiVersion: kubeadm.k8s.io/v1\nkind: Foo\n---\n" + clusterHead,
					Instead: "has no kind Foo: the document is left out",
				},
				{Of: "no kind", Data: "a: b\n", Says: "without apiVersion or kind", Not: "---\n---\n" + clusterHead},
				{
					Of:   "nothing of ours",
					Data: "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n",
					Says: "InitConfiguration or JoinConfiguration in it, but KubeletConfiguration",
					Not:  clusterHead + "---\napiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n",
				},
				{Of: "nothing", Data: "# a\n", Says: "in it, and no other document", Not: clusterHead},
				{
					Of:   "many of others",
					Data: strings.Repeat("---\napiVersion: a/v1\nkind: B\n", 7),
					Says: "JoinConfiguration in it, but B, B, B, B, B and 2 more",
					Not:  strings.Repeat("---\napiVersion: a/v1\nkind: B\n", 7) + "---\n" + clusterHead,
				},
				{
					Of:   "no version",
					Data: "apiVersion: kubeadm.k8s.io\nkind: ClusterConfiguration\n",
					Says: "is not kubeadm's, which is kubeadm.k8s.io/VERSION; did you mean kubeadm.k8s.io/v1beta4?",
					Not:  "apiVersion: cluster.x-k8s.io/v1\nkind: ClusterConfiguration\n---\n" + initHead,
				},
				{
					Of:   "a version mistyped",
					Data: "apiVersion: kubeadm.k8s.io/v1bet4\nkind: ClusterConfiguration\n",
					Says: "are read; did you mean v1beta4?",
					Not:  "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n",
				},
				{
					Of:   "a gate mistyped",
					Data: cluster("featureGates: {PublicKeyECDSA: true}"),
					Says: `no feature gate "PublicKeyECDSA"; did you mean PublicKeysECDSA?`,
					Not:  cluster("featureGates: {RootlessControlPlane: true}"),
				},
				{
					Of:      "an algorithm in other letters",
					Data:    cluster("encryptionAlgorithm: rsa-3072"),
					Says:    "; did you mean RSA-3072?",
					Not:     cluster("encryptionAlgorithm: ed25519"),
					Instead: `"ed25519" is not one of`,
				},
				{
					Of:   "two",
					Data: clusterHead + "---\n" + clusterHead,
					Says: "a second ClusterConfiguration",
					Not:  clusterHead + "---\n" + initHead,
				},
				{
					Of:   "two without a marker",
					Data: "a: b\n...\nc: d\n",
					Says: "a second document without --- before it",
					Not:  clusterHead + "...\n",
				},
				{
					Of:   "CR alone",
					Data: strings.ReplaceAll(clusterHead+"---\n"+initHead, "\n", "\r"),
					Says: "its lines end in CR alone",
					Not:  strings.ReplaceAll(clusterHead+"---\n"+initHead, "\n", "\r\n"),
				},
				{
					Of:   "documents",
					Data: strings.Repeat("---\n", 100),
					Says: "more than 64 documents",
					Not:  clusterHead + strings.Repeat("---\n", 50),
				},

				// The ConfigMap.
				{
					Of:   "no configuration",
					Data: config("data: {a: b}\n"),
					Says: "has no data.ClusterConfiguration",
					Not:  inMap(clusterHead),
				},
				{
					Of:   "another kind in it",
					Data: inMap(initHead),
					Says: "holds no ClusterConfiguration",
					Not:  inMap(clusterHead + "---\n" + initHead),
				},
				{
					Of:   "a map in a map",
					Data: inMap(inMap(clusterHead)),
					Says: "a ConfigMap inside a ConfigMap",
					Not:  inMap(clusterHead),
				},
			},
		},
	)
}
