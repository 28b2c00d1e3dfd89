package request

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"officiant/bundle/kubepki"
	"officiant/bundle/privatekey"
	"officiant/bundle/seal"
)

// generated is what `kubeadm certs generate-csr` of v1.37.2 wrote for
// testdata/generate-csr.yaml, with --cert-dir pki, as a changeable copy.
func generated(t testing.TB) fstest.MapFS {
	t.Helper()
	dir := fstest.MapFS{}
	root := os.DirFS(filepath.Join("testdata", "generate-csr"))
	check(t, fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(root, name)
		dir[name] = &fstest.MapFile{Data: data}
		return err
	}))
	return dir
}

func generatedFacts() (kubepki.Cluster, kubepki.Node) {
	c := testCluster()
	c.CertSANs = []string{"api.example.com"}
	return c, controlPlane()
}

func generatedLeaves(t testing.TB) []kubepki.Leaf {
	t.Helper()
	leaves, err := kubepki.Leaves(generatedFacts())
	check(t, err)
	return leaves
}

// Our idea of every name kubeadm puts into a CSR is held against kubeadm's own.
func TestFolderOfRealKubeadm(t *testing.T) {
	cluster, node := generatedFacts()
	dir, leaves := generated(t), generatedLeaves(t)
	f, err := FromCSRDir(dir, leaves)
	check(t, err)
	if len(f.CSRs) != len(leaves) || len(f.CSRs) != 12 || len(f.Ignored) != 0 {
		t.Errorf("%d CSRs for %d leaves, ignored %v", len(f.CSRs), len(leaves), f.Ignored)
	}
	_, recipient, err := seal.NewIdentity()
	check(t, err)
	data, err := Pack(cluster, node, f.CSRs, f.Keys, recipient, created, rand.Reader)
	check(t, err)
	o, err := Parse("f", data)
	check(t, err)
	for _, l := range leaves {
		csr := o.CSR[l.Name]
		if len(csr.DNSNames) != len(l.DNSNames) || len(csr.IPAddresses) != len(l.IPAddresses) ||
			len(csr.Subject.Organization) != len(l.Organization) {
			t.Errorf("%s: kubeadm asks for %v %v %v, we for %v %v %v", l.Name,
				csr.Subject.Organization, csr.DNSNames, csr.IPAddresses, l.Organization, l.DNSNames, l.IPAddresses)
		}
	}

	again, err := Make(cluster, node, leaves, f.Keys, recipient, created, rand.Reader)
	check(t, err)
	ours, err := Parse("f", again)
	check(t, err)
	for _, l := range leaves {
		if !bytes.Equal(ours.CSR[l.Name].RawSubject, o.CSR[l.Name].RawSubject) {
			t.Errorf("%s: our subject is %s, kubeadm's %s", l.Name, ours.CSR[l.Name].Subject, o.CSR[l.Name].Subject)
		}
	}
}

func TestFolderLayouts(t *testing.T) {
	flat := fstest.MapFS{}
	for name, file := range generated(t) {
		flat[strings.TrimPrefix(name, "pki/")] = file
	}
	f, err := FromCSRDir(flat, generatedLeaves(t))
	check(t, err)
	if len(f.CSRs) != 12 {
		t.Errorf("%d CSRs", len(f.CSRs))
	}
	cluster, node := generatedFacts()
	node.First = false
	leaves, err := kubepki.Leaves(cluster, node)
	check(t, err)
	f, err = FromCSRDir(flat, leaves)
	check(t, err)
	if !slices.Equal(f.Ignored, []string{"super-admin.conf.csr"}) {
		t.Errorf("ignored %v", f.Ignored)
	}
}

func TestGuess(t *testing.T) {
	dir := generated(t)
	c, n, err := Guess(dir)
	check(t, err)
	if c.Name != "demo" || c.ControlPlaneEndpoint != "api.demo.test:6443" || c.DNSDomain != "cluster.local" {
		t.Errorf("cluster %+v", c)
	}
	if n.Name != "cp-1" || n.Address != netip.MustParseAddr("10.0.0.11") || !n.First || !n.Has(kubepki.Etcd) ||
		!n.Has(kubepki.ControlPlane) {
		t.Errorf("node %+v", n)
	}

	// Without an endpoint admin.conf points at the node itself.
	dir["admin.conf"].Data = bytes.Replace(
		dir["admin.conf"].Data,
		[]byte("api.demo.test:6443"),
		[]byte("10.0.0.11:8443"),
		1,
	)
	c, n, err = Guess(dir)
	check(t, err)
	if c.ControlPlaneEndpoint != "" || n.BindPort != 8443 {
		t.Errorf("endpoint %q, port %d", c.ControlPlaneEndpoint, n.BindPort)
	}

	// What is not there is not known, and stops nothing: it may be given.
	dir = generated(t)
	delete(dir, "kubelet.conf.csr")
	if _, n, err = Guess(dir); err != nil || n.Name != "" || !n.Has(kubepki.ControlPlane) {
		t.Errorf("without kubelet.conf.csr: %+v, %v", n, err)
	}
	dir = generated(t)
	delete(dir, "admin.conf")
	if c, _, err = Guess(dir); err != nil || c.Name != "demo" {
		t.Errorf("without admin.conf: %+v, %v", c, err)
	}
	dir = generated(t)
	dir["kubelet.conf.csr"] = dir["admin.conf.csr"]
	if _, _, err := Guess(dir); err == nil || !strings.Contains(err.Error(),
		`CN "kubernetes-admin" is not system:node:NAME`) {
		t.Errorf("another's kubelet.conf.csr: %v", err)
	}
}

// A worker has one CSR, and its key may lie in the kubeconfig or beside it.
func TestFolderOfAWorker(t *testing.T) {
	all := generated(t)
	only := func(name string) fstest.MapFS {
		return fstest.MapFS{name: all[name], "kubelet.conf.csr": all["kubelet.conf.csr"]}
	}
	inside := only("kubelet.conf")
	c, n, err := Guess(inside)
	check(t, err)
	if n.Name != "cp-1" || !slices.Equal(n.Roles, []kubepki.Role{kubepki.Worker}) || c.Name != "demo" {
		t.Errorf("%+v %+v", c, n)
	}
	n.Roles = []kubepki.Role{kubepki.Worker}
	c.KubernetesVersion = kubepki.Newest()
	leaves, err := kubepki.Leaves(c, n)
	check(t, err)
	f, err := FromCSRDir(inside, leaves)
	check(t, err)
	key, err := privatekey.PEM(f.Keys["kubelet.conf"])
	check(t, err)
	beside := fstest.MapFS{"kubelet.conf.csr": all["kubelet.conf.csr"], "kubelet.conf.key": {Data: key}}
	if _, err := FromCSRDir(beside, leaves); err != nil {
		t.Error(err)
	}
	marked := fstest.MapFS{
		"kubelet.conf.csr": {Data: append([]byte("\ufeff"), all["kubelet.conf.csr"].Data...)},
		"kubelet.conf.key": {Data: append([]byte("\ufeff"), bytes.ReplaceAll(key, []byte("\n"), []byte("\r\n"))...)},
	}
	if _, err := FromCSRDir(marked, leaves); err != nil {
		t.Error(err)
	}
	delete(beside, "kubelet.conf.key")
	if _, err := FromCSRDir(beside, leaves); err == nil ||
		!strings.Contains(err.Error(), "kubelet.conf: is missing, and so is kubelet.conf.key") {
		t.Errorf("no key: %v", err)
	}
}

// kubeadm asks for the name of a node among the DNS names, also when it is an address.
func TestNodeNamedByItsAddress(t *testing.T) {
	c, n := generatedFacts()
	n.Name = "10.0.0.14"
	n.Address = netip.MustParseAddr(n.Name)
	leaves, err := kubepki.Leaves(c, n)
	check(t, err)
	for _, l := range leaves {
		csr := &x509.CertificateRequest{Subject: pkix.Name{CommonName: l.CommonName, Organization: l.Organization},
			DNSNames: append(slices.Clone(l.DNSNames), "10.0.0.14")}
		extra := asksBeyond(csr, l)
		if serves := len(l.IPAddresses) > 0; serves != (len(extra) == 0) {
			t.Errorf("%s: %v", l.Name, extra)
		}
		csr.DNSNames = append(csr.DNSNames, "10.0.0.15")
		if !strings.Contains(strings.Join(asksBeyond(csr, l), " "), `DNS name "10.0.0.15"`) {
			t.Errorf("%s: another's address is granted", l.Name)
		}
	}
}

func TestBadFolders(t *testing.T) {
	leaves := generatedLeaves(t)
	stranger := makeRequest(t, worker())
	for name, b := range map[string]struct {
		change func(dir fstest.MapFS)
		want   []string
	}{
		"empty":          {func(dir fstest.MapFS) { clear(dir) }, []string{"apiserver.csr: is missing", "etcd/peer.csr: is missing"}},
		"a CSR missing":  {func(dir fstest.MapFS) { delete(dir, "pki/apiserver.csr") }, []string{"apiserver.csr: is missing"}},
		"a key missing":  {func(dir fstest.MapFS) { delete(dir, "pki/apiserver.key") }, []string{"pki/apiserver.key"}},
		"no kubeconfig":  {func(dir fstest.MapFS) { delete(dir, "admin.conf") }, []string{"admin.conf"}},
		"keys exchanged": {func(dir fstest.MapFS) { dir["pki/apiserver.key"] = dir["pki/etcd/peer.key"] }, []string{"pki/apiserver.key: is not the key of pki/apiserver.csr"}},
		"kubeconfigs exchanged": {func(dir fstest.MapFS) { dir["admin.conf"] = dir["scheduler.conf"] },
			[]string{"admin.conf: is not the key of admin.conf.csr"}},
		"no key in the kubeconfig": {func(dir fstest.MapFS) {
			d := dir["admin.conf"].Data
			dir["admin.conf"].Data = append(bytes.Clone(d[:bytes.Index(d, []byte("  user:\n    client-key"))]), "  user: {}\n"...)
		}, []string{"admin.conf: has no client-key-data"}},
		"CSRs exchanged": {func(dir fstest.MapFS) { dir["pki/apiserver.csr"] = dir["pki/etcd/peer.csr"] },
			[]string{"pki/apiserver.csr: asks for CN", `DNS name "localhost"`, "IP address 127.0.0.1"}},
		"another node's": {func(dir fstest.MapFS) {
			dir["kubelet.conf.csr"].Data = csrPEMOf(t, stranger.keys["kubelet.conf"], nil)
		}, []string{"kubelet.conf.csr: asks for CN \"system:node:worker-1\""}},
		"broken CSR": {func(dir fstest.MapFS) { dir["pki/apiserver.csr"].Data = dir["pki/apiserver.csr"].Data[:200] }, []string{"pki/apiserver.csr: is not one PEM block"}},
		"broken key": {func(dir fstest.MapFS) { dir["pki/apiserver.key"].Data = []byte("secretsecret") }, []string{"pki/apiserver.key: not one PEM private key"}},
		"two keys": {func(dir fstest.MapFS) {
			dir["pki/apiserver.key"].Data = append(bytes.Clone(dir["pki/apiserver.key"].Data), dir["pki/etcd/peer.key"].Data...)
		}, []string{"pki/apiserver.key: holds several private keys"}},
		"two faults": {func(dir fstest.MapFS) { delete(dir, "pki/apiserver.csr"); delete(dir, "admin.conf.csr") },
			[]string{"apiserver.csr: is missing", "admin.conf.csr: is missing"}},
	} {
		dir := generated(t)
		b.change(dir)
		_, err := FromCSRDir(dir, leaves)
		if err == nil {
			t.Errorf("%s: read", name)
			continue
		}
		for _, want := range b.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got %v, want %q", name, err, want)
			}
		}
		if strings.Contains(err.Error(), "secretsecret") || strings.Contains(err.Error(), "MHcC") {
			t.Errorf("%s: the error repeats a key: %v", name, err)
		}
	}
}
