package bundle_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"officiant/bundle"
	"officiant/bundle/bundletest"
	"officiant/bundle/kubepki"
)

// moved is a cluster whose kubeadm file has certificates elsewhere, as kubespray's.
func moved() kubepki.Cluster {
	c := bundletest.Cluster()
	c.ExternalEtcd = true
	c.Places = kubepki.Places{CertificatesDir: "/etc/kubernetes/ssl", EtcdCAFile: "/etc/ssl/etcd/ssl/ca.pem",
		EtcdCertFile: "/etc/ssl/etcd/ssl/node.pem", EtcdKeyFile: "/etc/ssl/etcd/ssl/node-key.pem"}
	return c
}

// byHand is a cluster whose components are started without kubeadm.
func byHand() kubepki.Cluster {
	c := bundletest.Cluster()
	c.Naming, c.RevocationLists = kubepki.NamingDocs, true
	return c
}

// TestGoldenTexts holds what texts say of clusters with certificates elsewhere, and
// without kubeadm. They never change: years later, an audit builds these bundles again.
func TestGoldenTexts(t *testing.T) {
	controlPlane := bundletest.First()
	controlPlane.Roles = []kubepki.Role{kubepki.ControlPlane}
	second := controlPlane
	second.Name, second.First = "cp-2", false
	for name, c := range map[string]struct {
		cluster kubepki.Cluster
		nodes   []kubepki.Node
	}{
		"elsewhere": {moved(), []kubepki.Node{controlPlane, second, bundletest.Worker(), bundletest.EtcdOnly()}},
		"docs":      {byHand(), []kubepki.Node{bundletest.First(), bundletest.Worker(), bundletest.EtcdOnly()}},
	} {
		p := bundletest.New(t, c.cluster)
		for _, n := range c.nodes {
			folder := fmt.Sprintf("format-5-%s/%s/", name, n.Name)
			t.Run(folder, func(t *testing.T) {
				b := p.Bundle(t, p.NewNode(t, n), 1)
				if f := b.Check(bundle.CheckOptions{Now: bundletest.Now}); len(f) > 0 {
					t.Errorf("findings in a good bundle: %v", f)
				}
				for path, data := range b.Files {
					if strings.HasPrefix(path, "officiant/") && path != bundle.RootFile || path == bundle.ReadmeFile {
						golden(t, folder+filepath.Base(path), data)
					}
				}
			})
		}
	}
}

// TestPlacesAreOfFormat5: a bundle of a format before has no places, whatever its
// cluster has, and one that says them all the same is refused.
func TestPlacesAreOfFormat5(t *testing.T) {
	p := bundletest.New(t, moved())
	n := p.NewNode(t, bundletest.Worker())
	old := p.BundleOf(t, n, 1, 4)
	facts, err := old.Facts()
	if err != nil {
		t.Fatal(err)
	}
	if facts.Cluster.Places != (kubepki.Places{}) {
		t.Errorf("a bundle of format 4 has places: %+v", facts.Cluster.Places)
	}
	if strings.Contains(string(old.Files[bundle.ReadmeFile]), "/etc/kubernetes/ssl") {
		t.Error("README.txt of format 4 names certificatesDir")
	}
	forged := old.With(map[string][]byte{bundle.FactsFile: p.BundleOf(t, n, 1, 5).Files[bundle.FactsFile]})
	f := forged.Check(bundle.CheckOptions{Now: bundletest.Now})
	told := func(f bundle.Finding) bool { return strings.Contains(f.Problem, "knows neither places") }
	if !slices.ContainsFunc(f, told) {
		t.Errorf("a bundle of format 4 with places: %v", f)
	}
}

// TestReadmeNamesFlags: the flags of those components that run on the node, with its
// own files, and none without reason.
func TestReadmeNamesFlags(t *testing.T) {
	const heading = "Who reads which file"
	for name, c := range map[string]struct {
		change func(*kubepki.Cluster)
		node   kubepki.Node
		has    []string
		lacks  []string
	}{
		"docs": {func(c *kubepki.Cluster) { c.Naming = kubepki.NamingDocs }, bundletest.First(),
			[]string{"--etcd-cafile=/etc/kubernetes/pki/etcd/ca.crt\n",
				"--root-ca-file=/etc/kubernetes/pki/server-ca.crt\n",
				"--peer-client-cert-auth=true", "--requestheader-allowed-names=front-proxy-client",
				"authentication.x509.clientCAFile: /etc/kubernetes/pki/ca.crt\n"},
			[]string{"--root-ca-file=/etc/kubernetes/pki/ca.crt", "crl-file"}},
		"by hand, worker": {func(c *kubepki.Cluster) { c.ByHand = true }, bundletest.Worker(),
			[]string{"--kubeconfig=/etc/kubernetes/kubelet.conf\n"}, []string{"kube-apiserver\n", "etcd\n"}},
		"elsewhere": {func(c *kubepki.Cluster) { *c = moved(); c.ByHand = true }, bundletest.EtcdOnly(),
			[]string{"--trusted-ca-file=/etc/kubernetes/ssl/etcd/ca.crt\n"}, []string{"ca.pem"}},
		"kubeadm": {func(*kubepki.Cluster) {}, bundletest.First(), nil, []string{heading}},
	} {
		t.Run(name, func(t *testing.T) {
			cluster := bundletest.Cluster()
			c.change(&cluster)
			p := bundletest.New(t, cluster)
			text := string(p.Bundle(t, p.NewNode(t, c.node), 1).Files[bundle.ReadmeFile])
			for _, s := range c.has {
				if !strings.Contains(text, s) {
					t.Errorf("does not say %q:\n%s", s, text)
				}
			}
			_, flags, _ := strings.Cut(text, heading)
			if name == "kubeadm" {
				flags = text
			}
			for _, s := range c.lacks {
				if strings.Contains(flags, s) {
					t.Errorf("says %q:\n%s", s, text)
				}
			}
		})
	}
}

// TestFormat4NamesNoFlags: naming: docs is older than the list of flags.
func TestFormat4NamesNoFlags(t *testing.T) {
	p := bundletest.New(t, byHand())
	n := p.NewNode(t, bundletest.First())
	for format, want := range map[int]bool{4: false, 5: true} {
		text := string(p.BundleOf(t, n, 1, format).Files[bundle.ReadmeFile])
		if strings.Contains(text, "Who reads which file") != want {
			t.Errorf("format %d lists flags: %t", format, !want)
		}
	}
}
