package lint_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"officiant/bundle/kubepki"
	"officiant/ceremony/lint"
)

var start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// world is a cluster's hierarchy, made once for a test.
type world struct {
	t       *testing.T
	cluster kubepki.Cluster
	key     *ecdsa.PrivateKey // every issuer's signature; lint does not look at it
	certs   map[kubepki.Authority]*x509.Certificate
}

func key(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func newWorld(t *testing.T, cluster kubepki.Cluster) *world {
	t.Helper()
	w := &world{t: t, cluster: cluster.Complete(), key: key(t), certs: map[kubepki.Authority]*x509.Certificate{}}
	for _, spec := range kubepki.Authorities(w.cluster) {
		w.certs[spec.Authority] = w.make(w.authority(spec.Authority), w.certs[spec.Parent], key(t).Public())
	}
	return w
}

func serial(t testing.TB) *big.Int {
	t.Helper()
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 126))
	if err != nil {
		t.Fatal(err)
	}
	return n.SetBit(n, 126, 1)
}

func (w *world) authority(a kubepki.Authority) *x509.Certificate {
	for _, spec := range kubepki.Authorities(w.cluster) {
		if spec.Authority == a {
			id := []byte("20 octets, " + a + "         ")[:20]
			return &x509.Certificate{
				SerialNumber: serial(w.t), SignatureAlgorithm: x509.ECDSAWithSHA256,
				Subject:   pkix.Name{CommonName: spec.CommonName, Organization: []string{w.cluster.Name}},
				NotBefore: start, NotAfter: start.AddDate(10, 0, 0),
				BasicConstraintsValid: true, IsCA: true, MaxPathLen: spec.MaxPathLen, MaxPathLenZero: spec.MaxPathLen == 0,
				KeyUsage: spec.KeyUsage, ExtKeyUsage: spec.ExtKeyUsage, SubjectKeyId: id, AuthorityKeyId: id,
			}
		}
	}
	w.t.Fatalf("no authority %s", a)
	return nil
}

func (w *world) leaf(l kubepki.Leaf) *x509.Certificate {
	c := &x509.Certificate{
		SerialNumber: serial(w.t), SignatureAlgorithm: x509.ECDSAWithSHA256,
		Subject:   pkix.Name{CommonName: l.CommonName, Organization: l.Organization},
		NotBefore: start, NotAfter: start.AddDate(1, 0, 0), BasicConstraintsValid: true,
		KeyUsage: l.KeyUsage, ExtKeyUsage: l.ExtKeyUsage, SubjectKeyId: []byte("20 octets of a leaf."), DNSNames: l.DNSNames,
	}
	for _, a := range l.IPAddresses {
		c.IPAddresses = append(c.IPAddresses, a.AsSlice())
	}
	return c
}

// make signs template; a nil issuer means itself.
func (w *world) make(template, issuer *x509.Certificate, pub crypto.PublicKey) *x509.Certificate {
	w.t.Helper()
	parent := *template
	if issuer != nil {
		parent = *issuer
	}
	parent.PublicKey = nil
	der, err := x509.CreateCertificate(rand.Reader, template, &parent, pub, w.key)
	if err != nil {
		w.t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func (w *world) context(l *kubepki.Leaf) lint.Context {
	return lint.Context{Name: "cp-1/" + l.Name, Kind: lint.Leaf, Authority: l.Authority, Issuer: w.certs[l.Authority], Cluster: w.cluster, Leaf: l}
}

func (w *world) caContext(a kubepki.Authority) lint.Context {
	in := lint.Context{Name: string(a), Kind: lint.Intermediate, Authority: kubepki.Root, Subject: a, Issuer: w.certs[kubepki.Root], Cluster: w.cluster}
	if a == kubepki.Root {
		in.Kind, in.Issuer = lint.Root, nil
	}
	return in
}

func cluster(version string, naming kubepki.Naming) kubepki.Cluster {
	v, err := kubepki.ParseVersion(version)
	if err != nil {
		panic(err)
	}
	return kubepki.Cluster{Name: "demo", KubernetesVersion: v, Naming: naming, ControlPlaneEndpoint: "api.demo.example:6443", CertSANs: []string{"*.demo.example"}}
}

var nodes = []kubepki.Node{
	{Name: "cp-1", Roles: []kubepki.Role{kubepki.ControlPlane, kubepki.Etcd}, Address: netip.MustParseAddr("10.1.0.10"), First: true},
	{Name: strings.Repeat("a-rather-long-name.", 6) + "example", Roles: []kubepki.Role{kubepki.ControlPlane, kubepki.Etcd}, Address: netip.MustParseAddr("fd00::1")},
	{Name: "worker-1", Roles: []kubepki.Role{kubepki.Worker}},
}

// Everything kubepki expects of any release passes, with ECDSA and RSA keys.
func TestExpectedPasses(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, naming := range []kubepki.Naming{kubepki.NamingKubeadm, kubepki.NamingDocs} {
		for _, version := range []string{"v1.17.0", "v1.28.15", "v1.29.0", "v1.34.7", "v1.37.2"} {
			w := newWorld(t, cluster(version, naming))
			for a, c := range w.certs {
				for _, f := range lint.Certificate(c, w.caContext(a)) {
					t.Errorf("%s %s: %s", naming, version, f)
				}
			}
			for _, n := range nodes {
				leaves, err := kubepki.Leaves(w.cluster, n)
				if err != nil {
					t.Fatal(err)
				}
				for _, l := range leaves {
					for _, pub := range []crypto.PublicKey{w.key.Public(), rsaKey.Public()} {
						count++
						for _, f := range lint.Certificate(w.make(w.leaf(l), w.certs[l.Authority], pub), w.context(&l)) {
							t.Errorf("%s %s: %s", naming, version, f)
						}
					}
				}
			}
		}
	}
	if count < 200 {
		t.Errorf("only %d certificates were looked at", count)
	}
}

// Each rule is shown refusing a certificate that breaks it.
func TestLeafRulesRefuse(t *testing.T) {
	w := newWorld(t, cluster("v1.37.2", kubepki.NamingKubeadm))
	leaves := map[string]kubepki.Leaf{}
	first := nodes[0]
	first.Extra = []kubepki.Extra{
		kubepki.Extra{Name: "kubelet-server"}.For(first),
		kubepki.Extra{Name: "alice.conf", Profile: kubepki.Client, CommonName: "alice"}.For(first),
	}
	all, err := kubepki.Leaves(w.cluster, first)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range all {
		leaves[l.ID] = l
	}
	rsa1024 := &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 1023, 1), E: 65537}
	rsaE3 := &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 2047, 1), E: 3}
	ed := pubEd25519(t)
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	type job struct {
		c   *x509.Certificate
		pub crypto.PublicKey
		in  lint.Context
		l   *kubepki.Leaf
	}
	for _, tt := range []struct {
		rule, id, says string
		change         func(*job)
	}{
		{"k8s_kind", "kube-apiserver", `kind "" is unknown`, func(j *job) { j.in.Kind = "" }},
		{"k8s_serial", "kube-apiserver", "serial is too short to be random",
			func(j *job) { j.c.SerialNumber = big.NewInt(7) }},
		{"k8s_serial_used", "kube-apiserver", " was used before",
			func(j *job) { j.in.Used = func(*big.Int) bool { return true } }},
		{"k8s_weak_key", "kube-apiserver", "RSA key has 1024 bits, fewer than 2048", func(j *job) { j.pub = rsa1024 }},
		{"k8s_weak_key", "kube-apiserver", "RSA key has the exponent 3, smaller than 65537",
			func(j *job) { j.pub = rsaE3 }},
		{"k8s_weak_key", "kube-apiserver", "key is Ed25519, neither ECDSA nor RSA", func(j *job) { j.pub = ed }},
		{"k8s_weak_key", "kube-apiserver", "key is on curve P-224, not P-256, P-384 or P-521",
			func(j *job) { j.pub = p224.Public() }},
		{"k8s_signature_algorithm", "kube-apiserver",
			"signature algorithm ECDSA-SHA256 does not fit the issuer's key (RSA)", func(j *job) {
				i := *j.in.Issuer
				i.PublicKey = rsaE3
				j.in.Issuer = &i
			}},
		{"k8s_validity", "kube-apiserver", "it ends before it begins", func(j *job) { j.c.NotAfter = j.c.NotBefore }},
		{"k8s_extension", "kube-apiserver", "extension 1.2.3 is in no profile", func(j *job) {
			j.c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3}, Value: []byte{5, 0}}}
		}},
		{"k8s_extension", "kube-apiserver", "basic constraints are missing",
			func(j *job) { j.c.BasicConstraintsValid = false }},
		{"k8s_extension", "kube-apiserver", "subject key identifier is missing",
			func(j *job) { j.c.SubjectKeyId = nil }},
		{"k8s_subject_attributes", "kube-apiserver", "subject holds attribute 2.5.4.11 beside CN and O",
			func(j *job) { j.c.Subject.OrganizationalUnit = []string{"x"} }},
		{"k8s_subject_attributes", "kube-apiserver", "subject holds 0 common names, not one",
			func(j *job) { j.c.Subject.CommonName = "" }},
		{"k8s_san_kind", "kube-apiserver", "an alternative name is an e-mail address or URI",
			func(j *job) { j.c.EmailAddresses = []string{"a@example.com"} }},
		{"k8s_san_kind", "kube-apiserver", "an alternative name is an e-mail address or URI",
			func(j *job) { j.c.URIs = []*url.URL{{Scheme: "spiffe", Host: "x", Path: "/y"}} }},
		{"k8s_issuer", "kube-apiserver", "issuer name is not the issuer's subject",
			func(j *job) { j.in.Issuer = w.certs[kubepki.EtcdAuthority] }},
		{"k8s_issuer", "kube-apiserver", "the issuer's certificate is not known", func(j *job) { j.in.Issuer = nil }},
		{"k8s_issuer", "kube-apiserver", "key is the issuer's own",
			func(j *job) { j.pub = w.certs[kubepki.KubernetesAuthority].PublicKey }},
		{"k8s_issuer", "kube-apiserver", "the issuer may not sign certificates", func(j *job) {
			i := *j.in.Issuer
			i.KeyUsage = x509.KeyUsageDigitalSignature
			j.in.Issuer = &i
		}},
		{"k8s_outlives_issuer", "kube-apiserver",
			"it ends 2036-11-24T12:00:00Z, after its issuer (2036-11-23T12:00:00Z)",
			func(j *job) { j.c.NotAfter = start.AddDate(10, 0, 1) }},
		{"k8s_outlives_issuer", "kube-apiserver",
			"it begins 2026-11-22T12:00:00Z, before its issuer (2026-11-23T12:00:00Z)",
			func(j *job) { j.c.NotBefore = start.AddDate(0, 0, -1) }},
		{"k8s_leaf_is_ca", "kube-apiserver", "a leaf may not sign certificates or lists",
			func(j *job) { j.c.IsCA = true }},
		{"k8s_leaf_is_ca", "kube-apiserver", "a leaf may not sign certificates or lists",
			func(j *job) { j.c.KeyUsage |= x509.KeyUsageCRLSign }},
		{"k8s_leaf_without_eku", "kube-apiserver", "extended key usage is missing",
			func(j *job) { j.c.ExtKeyUsage = nil }},
		{"k8s_leaf_eku", "kube-apiserver",
			"extended key usage anyExtendedKeyUsage is not one of serverAuth and clientAuth",
			func(j *job) { j.c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageAny} }},
		{"k8s_leaf_eku", "kube-apiserver", "extended key usage 1.2.3 is not one of serverAuth and clientAuth",
			func(j *job) { j.c.UnknownExtKeyUsage = []asn1.ObjectIdentifier{{1, 2, 3}} }},
		{"k8s_leaf_eku", "front-proxy-client", "extended key usage serverAuth is not one of its issuer's",
			func(j *job) { j.c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }},
		{"k8s_leaf_key_usage", "kube-apiserver", "key usage lacks digitalSignature",
			func(j *job) { j.c.KeyUsage = x509.KeyUsageKeyEncipherment }},
		{"k8s_leaf_key_usage", "kube-apiserver", "key usage allows more than digitalSignature and keyEncipherment",
			func(j *job) { j.c.KeyUsage |= x509.KeyUsageContentCommitment }},
		{"k8s_leaf_from_root", "kube-apiserver", `issued by "root", which is not a family that issues leaves`,
			func(j *job) { j.in.Authority = kubepki.Root }},
		{"k8s_leaf_from_root", "kube-apiserver",
			"the issuer may issue authorities: it is not an intermediate of a family",
			func(j *job) { j.in.Issuer = w.certs[kubepki.Root] }},
		{"k8s_server_without_san", "kube-apiserver", "a server's certificate has no alternative name",
			func(j *job) { j.c.DNSNames, j.c.IPAddresses = nil, nil }},
		{"k8s_wildcard", "kube-apiserver", `wildcard "*.local" covers more than one label below a domain`,
			func(j *job) { j.c.DNSNames = []string{"*.local"} }},
		{"k8s_wildcard", "kube-apiserver", `wildcard "*.*.demo.example" covers more than one label below a domain`,
			func(j *job) { j.c.DNSNames = []string{"*.*.demo.example"} }},
		{"k8s_front_proxy_cn_from_kubernetes_ca", "kube-apiserver-kubelet-client",
			"CN front-proxy-client from the kubernetes authority",
			func(j *job) { j.c.Subject.CommonName = "front-proxy-client" }},
		{"k8s_front_proxy_leaf", "front-proxy-client", "a front proxy has no alternative names",
			func(j *job) { j.c.DNSNames = []string{"localhost"} }},
		{"k8s_front_proxy_leaf", "front-proxy-client", "a front proxy is a client and nothing else", func(j *job) {
			j.c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
		}},
		{"k8s_system_masters", "admin.conf", "O=system:masters is not planned for this certificate",
			func(j *job) { j.c.Subject.Organization = []string{"system:masters"} }},
		{"k8s_system_masters", "front-proxy-client", "O=system:masters from the front-proxy authority", func(j *job) {
			j.c.Subject.Organization = []string{"system:masters"}
			j.l.Organization = []string{"system:masters"} // not even when planned
		}},
		{"k8s_system_name", "kube-etcd-healthcheck-client", `"system:kube-scheduler" from the etcd authority`,
			func(j *job) { j.c.Subject.CommonName = "system:kube-scheduler" }},
		{"k8s_system_name", "kube-etcd-healthcheck-client", `"system:nodes" from the etcd authority`,
			func(j *job) { j.c.Subject.Organization = []string{"system:nodes"} }},
		{"k8s_system_masters", "alice.conf", "O=system:masters of an extra certificate is not allowed by name",
			func(j *job) {
				j.c.Subject.Organization = []string{"system:masters"}
				j.l.Organization = []string{"system:masters"} // planned, but not allowed by name
			}},
		{"k8s_extra_leaf", "alice.conf",
			`"kubeadm:cluster-admins" is a name of Kubernetes' own, and not allowed by name`, func(j *job) {
				j.c.Subject.Organization = []string{"kubeadm:cluster-admins"}
				j.l.Organization = []string{"kubeadm:cluster-admins"}
			}},
		{"k8s_extra_leaf", "alice.conf",
			`"system:kube-scheduler" is a name of Kubernetes' own, and not allowed by name`,
			func(j *job) { j.c.Subject.CommonName = "system:kube-scheduler" }},
		{"k8s_extra_leaf", "alice.conf", "a client of a node's name beside its kubelet.conf", func(j *job) {
			j.c.Subject.CommonName, j.c.Subject.Organization = "system:node:cp-1", []string{"system:nodes"}
		}},
		{"k8s_extra_leaf", "alice.conf", "an extra certificate from the front-proxy authority",
			func(j *job) { j.in.Authority = kubepki.FrontProxyAuthority }},
		{"k8s_extra_leaf", "kubelet-server", "an extra certificate is for a client or for a server, and not for both",
			func(j *job) { j.c.ExtKeyUsage = append(j.c.ExtKeyUsage, x509.ExtKeyUsageClientAuth) }},
		{"k8s_front_proxy_cn_from_kubernetes_ca", "alice.conf", "CN front-proxy-client from the kubernetes authority",
			func(j *job) { j.c.Subject.CommonName = "front-proxy-client" }},
		{"k8s_kubelet_name", "kubelet.conf", `node name "CP_1" is not an RFC 1123 subdomain`,
			func(j *job) { j.c.Subject.CommonName = "system:node:CP_1" }},
		{"k8s_kubelet_name", "kubelet.conf", `O=system:nodes with CN "cp-1", not system:node:NAME`,
			func(j *job) { j.c.Subject.CommonName = "cp-1" }},
		{"k8s_kubelet_name", "kubelet.conf", `node name "" is not an RFC 1123 subdomain`,
			func(j *job) { j.c.Subject.CommonName = "system:node:" }},
		{"k8s_kubelet_name", "kubelet.conf", "CN system:node:NAME with an O that is not system:nodes alone",
			func(j *job) { j.c.Subject.Organization = append(j.c.Subject.Organization, "extra") }},
		{"k8s_expected_leaf", "kube-apiserver", "no such certificate is expected of the node",
			func(j *job) { j.in.Leaf = nil }},
		{"k8s_expected_leaf", "kube-apiserver", "issued by the etcd authority, expected the kubernetes authority",
			func(j *job) { j.in.Authority = kubepki.EtcdAuthority }},
		{"k8s_expected_subject", "kubelet.conf", `CN is "system:node:cp-2", expected "system:node:cp-1"`,
			func(j *job) { j.c.Subject.CommonName = "system:node:cp-2" }},
		{"k8s_expected_subject", "kube-apiserver", `O is ["x"], expected []`,
			func(j *job) { j.c.Subject.Organization = []string{"x"} }},
		{"k8s_expected_san", "kube-apiserver", "DNS names: evil.example is not expected",
			func(j *job) { j.c.DNSNames = append(slices.Clone(j.c.DNSNames), "evil.example") }},
		{"k8s_expected_san", "kube-apiserver", "DNS names: cp-1 is there twice",
			func(j *job) { j.c.DNSNames = append(slices.Clone(j.c.DNSNames), j.c.DNSNames[0]) }},
		{"k8s_expected_san", "kube-apiserver", "DNS names: cp-1 is missing",
			func(j *job) { j.c.DNSNames = j.c.DNSNames[1:] }},
		{"k8s_expected_san", "kube-apiserver", "IP addresses: 10.9.9.9 is not expected",
			func(j *job) { j.c.IPAddresses = append(j.c.IPAddresses, net.IPv4(10, 9, 9, 9)) }},
		{"k8s_expected_san", "kube-apiserver", "IP addresses: 10.96.0.1 is missing",
			func(j *job) { j.c.IPAddresses = j.c.IPAddresses[1:] }},
		{"k8s_expected_usage", "kube-apiserver", "key usage is not the expected one",
			func(j *job) { j.c.KeyUsage = x509.KeyUsageDigitalSignature }},
		{"k8s_expected_usage", "kube-apiserver", "extended key usage is not the expected one",
			func(j *job) { j.c.ExtKeyUsage = append(j.c.ExtKeyUsage, x509.ExtKeyUsageClientAuth) }},
		{"e_subject_common_name_max_length", "admin.conf", "MUST be less than 65 characters",
			func(j *job) { j.c.Subject.CommonName = strings.Repeat("a", 65) }},
		{"e_subject_common_name_max_length", "kubelet.conf", "MUST be less than 65 characters",
			func(j *job) { j.c.Subject.CommonName = "system:node:" + strings.Repeat("a", 63) }},
		{"e_subject_organization_name_max_length", "admin.conf", "MUST be less than 65 characters",
			func(j *job) { j.c.Subject.Organization = []string{strings.Repeat("a", 65)} }},
		{"e_rfc_dnsname_label_too_long", "kube-apiserver", "labels MUST be less than or equal to 63",
			func(j *job) { j.c.DNSNames = []string{strings.Repeat("a", 64) + ".example.com"} }},
	} {
		l := leaves[tt.id]
		if l.ID == "" {
			t.Fatalf("no leaf %s", tt.id)
		}
		j := &job{c: w.leaf(l), pub: w.key.Public(), in: w.context(&l), l: &l}
		issuer := j.in.Issuer
		tt.change(j)
		cert := w.make(j.c, issuer, j.pub)
		refuses(t, tt.rule, tt.says, lint.Certificate(cert, j.in))
	}
}

// Rules hold for what a certificate says, whoever made it: here what crypto/x509 reads
// or may come to read, and does not make.
func TestForeignCertificatesRefused(t *testing.T) {
	w := newWorld(t, cluster("v1.37.2", kubepki.NamingKubeadm))
	leaves, err := kubepki.Leaves(w.cluster, nodes[0])
	if err != nil {
		t.Fatal(err)
	}
	leaf, root := w.context(&leaves[0]), w.caContext(kubepki.Root)
	for _, tt := range []struct {
		rule, says string
		in         lint.Context
		change     func(*x509.Certificate)
	}{
		{"zlint_parse", "asn1", leaf, func(c *x509.Certificate) { c.Raw = c.Raw[:len(c.Raw)-1] }},
		{"k8s_serial", "serial is not positive", leaf, func(c *x509.Certificate) { c.SerialNumber = big.NewInt(-1) }},
		{"k8s_serial", "serial is longer than 20 octets", leaf, func(c *x509.Certificate) {
			c.SerialNumber = new(big.Int).Lsh(big.NewInt(1), 159)
		}},
		{"k8s_subject_attributes", "subject holds an empty attribute", leaf, func(c *x509.Certificate) {
			c.Subject.Names[0].Value = ""
		}},
		{"k8s_issuer", "authority key identifier is not the issuer's", leaf, func(c *x509.Certificate) {
			c.AuthorityKeyId = []byte("another key")
		}},
		{"k8s_issuer", "the authority key identifier is not the root's own", root, func(c *x509.Certificate) {
			c.AuthorityKeyId = []byte("another key")
		}},
	} {
		cert := w.make(w.authority(kubepki.Root), nil, w.key.Public())
		if tt.in.Kind == lint.Leaf {
			cert = w.make(w.leaf(leaves[0]), tt.in.Issuer, w.key.Public())
		}
		if findings := lint.Certificate(cert, tt.in); len(findings) > 0 {
			t.Fatalf("as it was made: %v", findings)
		}
		tt.change(cert)
		refuses(t, tt.rule, tt.says, lint.Certificate(cert, tt.in))
	}
}

func TestAuthorityRulesRefuse(t *testing.T) {
	w := newWorld(t, cluster("v1.37.2", kubepki.NamingKubeadm))
	for _, tt := range []struct {
		rule   string
		family kubepki.Authority
		says   string
		change func(c *x509.Certificate, in *lint.Context)
	}{
		{"k8s_not_ca", kubepki.EtcdAuthority, "basic constraints do not say CA",
			func(c *x509.Certificate, _ *lint.Context) { c.IsCA, c.MaxPathLenZero = false, false }},
		{"k8s_ca_key_usage", kubepki.EtcdAuthority, "key usage lacks keyCertSign or cRLSign",
			func(c *x509.Certificate, _ *lint.Context) { c.KeyUsage = x509.KeyUsageCertSign }},
		{"k8s_ca_key_usage", kubepki.Root, "key usage allows more than signing",
			func(c *x509.Certificate, _ *lint.Context) { c.KeyUsage |= x509.KeyUsageKeyEncipherment }},
		{"k8s_ca_names", kubepki.EtcdAuthority, "an authority has no alternative names",
			func(c *x509.Certificate, _ *lint.Context) { c.DNSNames = []string{"etcd.example"} }},
		{"k8s_ca_names", kubepki.EtcdAuthority, `an authority's subject holds "system:masters"`,
			func(c *x509.Certificate, _ *lint.Context) { c.Subject.Organization = []string{"system:masters"} }},
		{"k8s_root_path_len", kubepki.Root, "pathLen is 0, not 1",
			func(c *x509.Certificate, _ *lint.Context) { c.MaxPathLen, c.MaxPathLenZero = 0, true }},
		{"k8s_root_path_len", kubepki.Root, "pathLen is absent, not 1",
			func(c *x509.Certificate, _ *lint.Context) { c.MaxPathLen = -1 }},
		{"k8s_root_eku", kubepki.Root, "a root has no extended key usage", func(c *x509.Certificate, _ *lint.Context) {
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
		}},
		{"k8s_intermediate_path_len", kubepki.EtcdAuthority, "pathLen is 1, not 0",
			func(c *x509.Certificate, _ *lint.Context) { c.MaxPathLen = 1 }},
		{"k8s_intermediate_path_len", kubepki.EtcdAuthority, "pathLen is absent, not 0",
			func(c *x509.Certificate, _ *lint.Context) { c.MaxPathLen, c.MaxPathLenZero = -1, false }},
		{"k8s_intermediate_eku", kubepki.EtcdAuthority, "extended key usage is missing",
			func(c *x509.Certificate, _ *lint.Context) { c.ExtKeyUsage = nil }},
		{"k8s_intermediate_eku", kubepki.EtcdAuthority,
			"extended key usage anyExtendedKeyUsage is not one of the etcd family",
			func(c *x509.Certificate, _ *lint.Context) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageAny} }},
		{"k8s_intermediate_eku", kubepki.FrontProxyAuthority,
			"extended key usage serverAuth is not one of the front-proxy family",
			func(c *x509.Certificate, _ *lint.Context) {
				c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
			}},
		{"k8s_intermediate_eku", kubepki.EtcdAuthority, `family "" is unknown`,
			func(_ *x509.Certificate, in *lint.Context) { in.Subject = "" }},
		{"k8s_intermediate_issuer", kubepki.EtcdAuthority, "issued by the kubernetes authority, not by the root",
			func(_ *x509.Certificate, in *lint.Context) { in.Authority = kubepki.KubernetesAuthority }},
		{"k8s_issuer", kubepki.EtcdAuthority, "subject is the issuer's own",
			func(c *x509.Certificate, _ *lint.Context) {
				c.Subject, c.AuthorityKeyId = w.certs[kubepki.Root].Subject, w.certs[kubepki.Root].SubjectKeyId
			}},
		{"k8s_issuer", kubepki.Root, "the certificate of a root is not issued by itself",
			func(_ *x509.Certificate, in *lint.Context) { in.Issuer = w.certs[kubepki.EtcdAuthority] }},
		{"k8s_outlives_issuer", kubepki.EtcdAuthority,
			"it ends 2036-11-24T12:00:00Z, after its issuer (2036-11-23T12:00:00Z)",
			func(c *x509.Certificate, _ *lint.Context) { c.NotAfter = c.NotAfter.AddDate(0, 0, 1) }},
		{"k8s_expected_authority", kubepki.EtcdAuthority, "extended key usage is not the expected one",
			func(c *x509.Certificate, _ *lint.Context) { c.ExtKeyUsage = c.ExtKeyUsage[1:] }},
		{"k8s_expected_authority", kubepki.EtcdAuthority, "key usage is not the expected one",
			func(c *x509.Certificate, _ *lint.Context) { c.KeyUsage |= x509.KeyUsageDigitalSignature }},
	} {
		c, in := w.authority(tt.family), w.caContext(tt.family)
		issuer := in.Issuer
		tt.change(c, &in)
		refuses(t, tt.rule, tt.says, lint.Certificate(w.make(c, issuer, key(t).Public()), in))
	}
}

// refuses wants one finding of a rule, with these words.
func refuses(t *testing.T, rule, says string, findings []lint.Finding) {
	t.Helper()
	for _, f := range findings {
		if f.Problem == "" || f.Citation == "" {
			t.Errorf("finding without problem or citation: %#v", f)
		}
	}
	if !slices.ContainsFunc(findings, func(f lint.Finding) bool {
		return f.Rule == rule && strings.Contains(f.Problem, says)
	}) {
		t.Errorf("%s did not say %q; findings: %v", rule, says, findings)
	}
}
