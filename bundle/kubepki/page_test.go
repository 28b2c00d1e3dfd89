package kubepki

import (
	"crypto/x509"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The tables of this file are the documentation's page "PKI certificates and
// requirements" of about 1.17, written down row by row.

const (
	host   = "cp-1"
	hostIP = "10.0.0.11"
)

func pageCluster() Cluster {
	return Cluster{Name: "demo", KubernetesVersion: Version{1, 17, 0}, Naming: NamingDocs,
		ControlPlaneEndpoint: "lb.example.test:6443"}
}

func pageNode() Node {
	return Node{Name: host, Roles: []Role{ControlPlane, Etcd}, Address: netip.MustParseAddr(hostIP), First: true}
}

func mustLeaves(t *testing.T, c Cluster, n Node) map[string]Leaf {
	t.Helper()
	leaves, err := Leaves(c, n)
	if err != nil {
		t.Fatal(err)
	}
	byID := make(map[string]Leaf)
	for _, l := range leaves {
		byID[l.ID] = l
	}
	return byID
}

func mustFiles(t *testing.T, c Cluster, n Node) map[string]File {
	t.Helper()
	files, err := Files(c, n)
	if err != nil {
		t.Fatal(err)
	}
	byPath := make(map[string]File)
	for _, f := range files {
		byPath[f.Path] = f
	}
	return byPath
}

func TestPageAuthorities(t *testing.T) {
	specs := Authorities(pageCluster())
	for _, row := range []struct{ path, cn string }{
		{"ca.crt", "kubernetes-ca"},
		{"etcd/ca.crt", "etcd-ca"},
		{"front-proxy-ca.crt", "kubernetes-front-proxy-ca"},
	} {
		if !slices.ContainsFunc(specs, func(s AuthoritySpec) bool {
			return s.File == "pki/"+row.path && s.CommonName == row.cn && s.Parent == Root
		}) {
			t.Errorf("no authority %s in %s", row.cn, row.path)
		}
	}
}

func TestPageCertificates(t *testing.T) {
	const (
		digitalSignature, keyEncipherment = x509.KeyUsageDigitalSignature, x509.KeyUsageKeyEncipherment
		serverAuth, clientAuth            = x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth
	)
	authorities := map[Authority]string{}
	for _, s := range Authorities(pageCluster()) {
		authorities[s.Authority] = s.CommonName
	}
	leaves := mustLeaves(t, pageCluster(), pageNode())
	for _, row := range []struct {
		cn, parent, o string
		kinds         []x509.ExtKeyUsage
		hosts         []string
	}{
		{"kube-etcd", "etcd-ca", "", []x509.ExtKeyUsage{serverAuth, clientAuth}, []string{"localhost", "127.0.0.1"}},
		{"kube-etcd-peer", "etcd-ca", "", []x509.ExtKeyUsage{serverAuth, clientAuth}, []string{host, hostIP, "localhost", "127.0.0.1"}},
		{"kube-etcd-healthcheck-client", "etcd-ca", "", []x509.ExtKeyUsage{clientAuth}, nil},
		{"kube-apiserver-etcd-client", "etcd-ca", "system:masters", []x509.ExtKeyUsage{clientAuth}, nil},
		{"kube-apiserver", "kubernetes-ca", "", []x509.ExtKeyUsage{serverAuth}, []string{
			host, hostIP, "lb.example.test", // [1]: the load balancer's stable name, and the following
			"kubernetes", "kubernetes.default", "kubernetes.default.svc",
			"kubernetes.default.svc.cluster", "kubernetes.default.svc.cluster.local"}},
		{"kube-apiserver-kubelet-client", "kubernetes-ca", "system:masters", []x509.ExtKeyUsage{clientAuth}, nil},
		{"front-proxy-client", "kubernetes-front-proxy-ca", "", []x509.ExtKeyUsage{clientAuth}, nil},
	} {
		t.Run(row.cn, func(t *testing.T) {
			l, ok := leaves[row.cn]
			if !ok {
				t.Fatal("no such certificate")
			}
			if l.CommonName != row.cn || authorities[l.Authority] != row.parent || strings.Join(l.Organization, ",") != row.o {
				t.Errorf("CN %s, parent %s, O %v", l.CommonName, authorities[l.Authority], l.Organization)
			}
			if l.KeyUsage != digitalSignature|keyEncipherment {
				t.Errorf("key usage %v", l.KeyUsage)
			}
			if diff := cmp.Diff(row.kinds, l.ExtKeyUsage); diff != "" {
				t.Error(diff)
			}
			names := slices.Clone(l.DNSNames)
			for _, a := range l.IPAddresses {
				names = append(names, a.String())
			}
			for _, h := range row.hosts {
				if !slices.Contains(names, h) {
					t.Errorf("%s is missing in %v", h, names)
				}
			}
			if row.hosts == nil && len(names) > 0 {
				t.Errorf("a client has names %v", names)
			}
		})
	}
}

func TestPagePaths(t *testing.T) {
	files := mustFiles(t, pageCluster(), pageNode())
	leaves := mustLeaves(t, pageCluster(), pageNode())
	for _, row := range []struct{ cn, key, cert, component, keyFlag, certFlags string }{
		{"etcd-ca", "", "etcd/ca.crt", "kube-apiserver", "", "--etcd-cafile"},
		{"kube-apiserver-etcd-client", "apiserver-etcd-client.key", "apiserver-etcd-client.crt", "kube-apiserver", "--etcd-keyfile", "--etcd-certfile"},
		{"kubernetes-ca", "", "ca.crt", "kube-apiserver", "", "--client-ca-file"},
		{"kubernetes-ca", "", "ca.crt", "kube-controller-manager", "", "--client-ca-file --root-ca-file"},
		{"kube-apiserver", "apiserver.key", "apiserver.crt", "kube-apiserver", "--tls-private-key-file", "--tls-cert-file"},
		{"kube-apiserver-kubelet-client", "apiserver-kubelet-client.key", "apiserver-kubelet-client.crt", "kube-apiserver", "--kubelet-client-key", "--kubelet-client-certificate"},
		{"front-proxy-ca", "", "front-proxy-ca.crt", "kube-apiserver", "", "--requestheader-client-ca-file"},
		{"front-proxy-ca", "", "front-proxy-ca.crt", "kube-controller-manager", "", "--requestheader-client-ca-file"},
		{"front-proxy-client", "front-proxy-client.key", "front-proxy-client.crt", "kube-apiserver", "--proxy-client-key-file", "--proxy-client-cert-file"},
		{"etcd-ca", "", "etcd/ca.crt", "etcd", "", "--trusted-ca-file --peer-trusted-ca-file"},
		{"kube-etcd", "etcd/server.key", "etcd/server.crt", "etcd", "--key-file", "--cert-file"},
		{"kube-etcd-peer", "etcd/peer.key", "etcd/peer.crt", "etcd", "--peer-key-file", "--peer-cert-file"},
		{"etcd-ca", "", "etcd/ca.crt", "etcdctl", "", "--cacert"},
		{"kube-etcd-healthcheck-client", "etcd/healthcheck-client.key", "etcd/healthcheck-client.crt", "etcdctl", "--key", "--cert"},
		{"service account", "sa.key", "", "kube-controller-manager", "--service-account-private-key-file", ""},
		{"service account", "", "sa.pub", "kube-apiserver", "", "--service-account-key-file"},
	} {
		t.Run(row.cn+" "+row.component, func(t *testing.T) {
			expectReaders(t, files, row.key, row.component, row.keyFlag)
			expectReaders(t, files, row.cert, row.component, row.certFlags)
			if l, ok := leaves[row.cn]; ok && (l.File != "pki/"+row.cert || l.KeyFile != "pki/"+row.key) {
				t.Errorf("leaf goes to %s and %s", l.File, l.KeyFile)
			}
		})
	}
}

// The page's --cluster-signing-cert-file and --cluster-signing-key-file, and
// the .key of every authority, have no place where no authority's key is.
func TestPageAuthorityKeysAreNowhere(t *testing.T) {
	for path, f := range mustFiles(t, pageCluster(), pageNode()) {
		if strings.HasSuffix(path, "ca.key") {
			t.Errorf("%s is on a node", path)
		}
		for _, c := range f.Consumers {
			if strings.HasPrefix(c.Flag, "--cluster-signing-") {
				t.Errorf("%s is read as %s", path, c.Flag)
			}
		}
	}
}

func TestPageAccounts(t *testing.T) {
	leaves := mustLeaves(t, pageCluster(), pageNode())
	files := mustFiles(t, pageCluster(), pageNode())
	for _, row := range []struct{ file, credential, cn, o, command string }{
		{"admin.conf", "default-admin", "kubernetes-admin", "system:masters", "kubectl"},
		{"kubelet.conf", "default-auth", "system:node:" + host, "system:nodes", "kubelet"},
		{"controller-manager.conf", "default-controller-manager", "system:kube-controller-manager", "", "kube-controller-manager"},
		{"scheduler.conf", "default-scheduler", "system:kube-scheduler", "", "kube-scheduler"},
	} {
		t.Run(row.file, func(t *testing.T) {
			l := leaves[row.file]
			if l.CommonName != row.cn || strings.Join(l.Organization, ",") != row.o {
				t.Errorf("CN %s, O %v", l.CommonName, l.Organization)
			}
			if l.File != row.file || l.KeyFile != "" || l.Authority != KubernetesAuthority {
				t.Errorf("file %s, key %q, authority %s", l.File, l.KeyFile, l.Authority)
			}
			want := &Kubeconfig{Cluster: "default-cluster", User: row.credential, Context: "default-system",
				Server: "https://lb.example.test:6443"}
			if diff := cmp.Diff(want, l.Kubeconfig); diff != "" {
				t.Error(diff)
			}
			if files[row.file].Mode != 0o600 {
				t.Errorf("mode %o", files[row.file].Mode)
			}
			if !slices.ContainsFunc(files[row.file].Consumers, func(c Consumer) bool { return c.Component == row.command }) {
				t.Errorf("%s does not read it", row.command)
			}
		})
	}
}

// expectReaders checks that the component reads the file by exactly these flags.
func expectReaders(t *testing.T, files map[string]File, path, component, flags string) {
	t.Helper()
	if path == "" {
		return
	}
	f, ok := files["pki/"+path]
	if !ok {
		t.Errorf("%s is not on the node", path)
		return
	}
	var got []string
	for _, c := range f.Consumers {
		if c.Component == component {
			got = append(got, c.Flag)
		}
	}
	if strings.Join(got, " ") != flags {
		t.Errorf("%s is read by %s as %v, want %s", path, component, got, flags)
	}
}
