package lint_test

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"slices"
	"testing"

	"officiant/bundle/kubepki"
	"officiant/ceremony/lint"
)

func pubEd25519(t *testing.T) crypto.PublicKey {
	t.Helper()
	pub, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return pub
}

// signedWorld is a world whose signatures are real: chains are looked at here.
func signedWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, cluster("v1.37.2", kubepki.NamingKubeadm))
	w.certs[kubepki.Root] = w.make(w.authority(kubepki.Root), nil, w.key.Public())
	for _, a := range []kubepki.Authority{kubepki.KubernetesAuthority, kubepki.EtcdAuthority, kubepki.FrontProxyAuthority} {
		w.certs[a] = w.make(w.authority(a), w.certs[kubepki.Root], key(t).Public())
	}
	return w
}

func TestLayout(t *testing.T) {
	w := signedWorld(t)
	root, kube, etcd, proxy := w.certs[kubepki.Root], w.certs[kubepki.KubernetesAuthority], w.certs[kubepki.EtcdAuthority], w.certs[kubepki.FrontProxyAuthority]
	list := func(c ...*x509.Certificate) []*x509.Certificate { return c }

	// A leaf below the etcd authority with a key that is known.
	etcdKey := key(t)
	etcdCA := w.make(w.authority(kubepki.EtcdAuthority), root, etcdKey.Public())
	peer := *w
	peer.key = etcdKey
	all, err := kubepki.Leaves(w.cluster, nodes[0])
	if err != nil {
		t.Fatal(err)
	}
	var etcdLeaf *x509.Certificate
	var etcdSpec kubepki.Leaf
	for _, l := range all {
		if l.ID == "kube-etcd" {
			etcdSpec = l
			etcdLeaf = peer.make(w.leaf(l), etcdCA, key(t).Public())
		}
	}

	good := func() map[string]lint.TrustFile {
		return map[string]lint.TrustFile{
			"pki/ca.crt":             {Kind: kubepki.TrustFile, Authority: kubepki.KubernetesAuthority, Certificates: list(kube)},
			"pki/etcd/ca.crt":        {Kind: kubepki.TrustFile, Authority: kubepki.EtcdAuthority, Certificates: list(etcdCA)},
			"pki/front-proxy-ca.crt": {Kind: kubepki.TrustFile, Authority: kubepki.FrontProxyAuthority, Certificates: list(proxy)},
			"pki/server-ca.crt":      {Kind: kubepki.ServerTrustFile, Authority: kubepki.KubernetesAuthority, Certificates: list(kube, root)},
			"admin.conf":             {Kind: kubepki.KubeconfigFile, Authority: kubepki.KubernetesAuthority, Certificates: list(kube)},
			"pki/etcd/server.crt":    {Kind: kubepki.CertificateFile, Authority: kubepki.EtcdAuthority, Certificates: list(etcdLeaf, etcdCA)},
			"pki/sa.pub":             {Kind: kubepki.ServiceAccountPublic},
		}
	}
	layout := func(files map[string]lint.TrustFile) []lint.Finding {
		var in []lint.TrustFile
		for _, p := range []string{"pki/ca.crt", "pki/etcd/ca.crt", "pki/front-proxy-ca.crt", "pki/server-ca.crt", "admin.conf", "pki/etcd/server.crt", "pki/sa.pub"} {
			f := files[p]
			f.Path = p
			in = append(in, f)
		}
		return lint.Layout(in)
	}
	if findings := layout(good()); len(findings) > 0 {
		t.Fatalf("the right layout is refused: %v", findings)
	}

	sameKey := w.make(w.authority(kubepki.FrontProxyAuthority), root, kube.PublicKey)
	template := w.authority(kubepki.FrontProxyAuthority)
	template.Subject = kube.Subject
	sameName := w.make(template, root, key(t).Public())
	template = w.authority(kubepki.KubernetesAuthority)
	template.MaxPathLen = 1
	deep := w.make(template, root, key(t).Public())
	otherKube := w.make(w.authority(kubepki.KubernetesAuthority), root, key(t).Public())

	for _, tt := range []struct {
		name, rule, path, says string
		certs                  []*x509.Certificate
	}{
		{"root alone", "k8s_trust_root", "pki/ca.crt", "holds a self-signed certificate", list(root)},
		{"intermediate and root", "k8s_trust_root", "pki/ca.crt", "holds a self-signed certificate", list(kube, root)},
		{"intermediate and root counted", "k8s_trust_count", "pki/ca.crt", "certificates in it: 2, expected: 1",
			list(kube, root)},
		{"root in etcd's", "k8s_trust_root", "pki/etcd/ca.crt", "holds a self-signed certificate", list(etcdCA, root)},
		{"root in the front proxy's", "k8s_trust_root", "pki/front-proxy-ca.crt", "holds a self-signed certificate",
			list(root)},
		{"root in a kubeconfig", "k8s_trust_root", "admin.conf", "holds a self-signed certificate", list(kube, root)},
		{"empty", "k8s_trust_count", "pki/ca.crt", "certificates in it: 0, expected: 1", nil},
		{"two intermediates", "k8s_trust_count", "pki/ca.crt", "certificates in it: 2, expected: 1", list(kube, etcd)},
		{"a leaf", "k8s_trust_intermediate", "pki/ca.crt", "CN=cp-1 is not an intermediate with pathLen 0",
			list(etcdLeaf)},
		{"pathLen 1", "k8s_trust_intermediate", "pki/ca.crt", "is not an intermediate with pathLen 0", list(deep)},
		{"front proxy that makes servers", "k8s_trust_family", "pki/front-proxy-ca.crt",
			"may issue what the front-proxy family does not", list(etcd)},
		{"kubeconfig of another family", "k8s_trust_family", "admin.conf",
			"is not the kubernetes authority of the other files", list(otherKube)},
		{"shared", "k8s_trust_shared", "pki/etcd/ca.crt", "holds the same certificate as pki/ca.crt", list(kube)},
		{"shared key", "k8s_trust_shared_key", "pki/front-proxy-ca.crt", "with the same key as pki/ca.crt",
			list(sameKey)},
		{"shared name", "k8s_trust_shared_name", "pki/front-proxy-ca.crt", "of the same name as pki/ca.crt",
			list(sameName)},
		{"server trust without root", "k8s_server_trust", "pki/server-ca.crt",
			"certificates in it: 1, expected: 1 of the family and their root", list(kube)},
		{"server trust reversed", "k8s_server_trust", "pki/server-ca.crt",
			"does not begin with what the kubernetes family's", list(root, kube)},
		{"server trust of another family", "k8s_server_trust", "pki/server-ca.crt",
			"does not begin with what the kubernetes family's", list(etcdCA, root)},
		{"leaf with root", "k8s_chain_root", "pki/etcd/server.crt", "holds a self-signed certificate",
			list(etcdLeaf, etcdCA, root)},
		{"leaf alone", "k8s_chain", "pki/etcd/server.crt", "certificates in it: 1, expected: a leaf and its issuer",
			list(etcdLeaf)},
		{"leaf with a peer of its issuer", "k8s_chain", "pki/etcd/server.crt",
			"its second certificate did not issue the first", list(etcdLeaf, kube)},
		{"authority in place of a leaf", "k8s_chain", "pki/etcd/server.crt",
			"its second certificate did not issue the first", list(etcdCA, etcdCA)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			files := good()
			f := files[tt.path]
			f.Certificates = tt.certs
			files[tt.path] = f
			refuses(t, tt.rule, tt.says, layout(files))
		})
	}
	t.Run("a rollover", func(t *testing.T) {
		template := w.authority(kubepki.KubernetesAuthority)
		template.Subject.CommonName = "kubernetes 2"
		next := w.make(template, root, key(t).Public())
		rolling := func(beside *x509.Certificate) map[string]lint.TrustFile {
			files := good()
			for _, path := range []string{"pki/ca.crt", "admin.conf", "pki/server-ca.crt"} {
				f := files[path]
				f.Beside, f.Certificates = 1, slices.Insert(slices.Clone(f.Certificates), 1, beside)
				files[path] = f
			}
			return files
		}
		if findings := layout(rolling(next)); len(findings) > 0 {
			t.Errorf("refused: %v", findings)
		}
		refuses(t, "k8s_trust_shared", "holds the same certificate as pki/ca.crt", layout(rolling(etcdCA)))
		refuses(t, "k8s_trust_root", "holds a self-signed certificate", layout(rolling(root)))
		refuses(t, "k8s_trust_intermediate", "is not an intermediate with pathLen 0", layout(rolling(deep)))
		files := rolling(next)
		files["admin.conf"] = good()["admin.conf"]
		refuses(t, "k8s_trust_family", "is not the kubernetes authority of the other files", layout(files))
		files = rolling(next)
		f := files["pki/server-ca.crt"]
		f.Certificates = list(next, kube, root)
		files["pki/server-ca.crt"] = f
		refuses(t, "k8s_server_trust", "does not begin with what the kubernetes family's", layout(files))
		f.Certificates = list(kube, next, root, signedWorld(t).certs[kubepki.Root])
		files["pki/server-ca.crt"] = f
		refuses(t, "k8s_server_trust", "is not the root of an authority in it", layout(files))
	})
	t.Run("an adopted authority", func(t *testing.T) {
		template := w.authority(kubepki.EtcdAuthority)
		template.Subject.CommonName = "an old etcd"
		old := peer.make(template, nil, etcdKey.Public())
		adopted := func(chain ...*x509.Certificate) map[string]lint.TrustFile {
			files := good()
			files["pki/etcd/ca.crt"] = lint.TrustFile{
				Kind: kubepki.TrustFile, Authority: kubepki.EtcdAuthority, Certificates: list(old), Adopted: old,
			}
			files["pki/etcd/server.crt"] = lint.TrustFile{
				Kind: kubepki.CertificateFile, Authority: kubepki.EtcdAuthority, Certificates: chain, Adopted: old,
			}
			return files
		}
		own := peer.make(w.leaf(etcdSpec), old, key(t).Public())
		if findings := layout(adopted(own)); len(findings) > 0 {
			t.Errorf("refused: %v", findings)
		}
		const says = "does not hold one leaf by the etcd authority and nothing else"
		refuses(t, "k8s_chain", says, layout(adopted(own, etcdCA)))
		refuses(t, "k8s_chain", says, layout(adopted(w.make(w.leaf(etcdSpec), kube, key(t).Public()))))
	})
	// The families swapped: told apart where a leaf or the server trust shows it.
	files := good()
	files["pki/ca.crt"] = lint.TrustFile{Kind: kubepki.TrustFile, Authority: kubepki.KubernetesAuthority, Certificates: list(etcdCA)}
	files["pki/etcd/ca.crt"] = lint.TrustFile{Kind: kubepki.TrustFile, Authority: kubepki.EtcdAuthority, Certificates: list(kube)}
	refuses(t, "k8s_chain", "its second certificate is not the etcd authority", layout(files))
	files = good()
	files["pki/ca.crt"] = lint.TrustFile{Kind: kubepki.TrustFile, Authority: kubepki.Root, Certificates: list(kube)}
	refuses(t, "k8s_trust_family", `"root" is not a family that issues leaves`, layout(files))
}
