package lint_test

import (
	"crypto/x509"
	"testing"

	"officiant/bundle/kubepki"
	"officiant/ceremony/lint"
)

// onlineWorld is a cluster with an online signer's authorities.
func onlineWorld(t *testing.T) *world {
	t.Helper()
	c := cluster("v1.37.2", kubepki.NamingKubeadm)
	c.KubeletServing, c.KubeletClient = true, true
	return newWorld(t, c)
}

// TestOnlineAuthorities: an online signer's authority is for clients or for servers, below
// the root, and signs nothing of a ceremony.
func TestOnlineAuthorities(t *testing.T) {
	w := onlineWorld(t)
	both := []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	for _, family := range []kubepki.Authority{kubepki.KubeletServingAuthority, kubepki.KubeletClientAuthority} {
		in := w.caContext(family)
		if found := lint.Certificate(w.make(w.authority(family), in.Issuer, key(t).Public()), in); len(found) > 0 {
			t.Errorf("%s: %v", family, found)
		}
		c := w.authority(family)
		c.ExtKeyUsage = both
		refuses(t, "k8s_intermediate_eku", "is not one of the "+string(family)+" family",
			lint.Certificate(w.make(c, in.Issuer, key(t).Public()), in))
		c = w.authority(family)
		c.MaxPathLen, c.MaxPathLenZero = 1, false
		refuses(t, "k8s_intermediate_path_len", "pathLen is 1, not 0",
			lint.Certificate(w.make(c, in.Issuer, key(t).Public()), in))
		leaves, err := kubepki.Leaves(w.cluster, kubepki.Node{Name: "worker-1", Roles: []kubepki.Role{kubepki.Worker}})
		if err != nil {
			t.Fatal(err)
		}
		leaf := lint.Context{Kind: lint.Leaf, Authority: family, Issuer: w.certs[family], Cluster: w.cluster,
			Leaf: &leaves[0]}
		c = w.make(w.leaf(leaves[0]), leaf.Issuer, key(t).Public())
		refuses(t, "k8s_leaf_from_root", "is not a family that issues leaves", lint.Certificate(c, leaf))
	}
}

// TestClientTrust: the API server lets in clients of two families, and of no third.
func TestClientTrust(t *testing.T) {
	w := onlineWorld(t)
	of := func(a kubepki.Authority) *x509.Certificate { return w.certs[a] }
	kubernetes, kubelets := of(kubepki.KubernetesAuthority), of(kubepki.KubeletClientAuthority)
	layout := func(clients ...*x509.Certificate) []lint.Finding {
		var files []lint.TrustFile
		for _, a := range []kubepki.Authority{kubepki.KubernetesAuthority, kubepki.EtcdAuthority,
			kubepki.KubeletServingAuthority, kubepki.KubeletClientAuthority} {
			files = append(files, lint.TrustFile{Path: string(a), Kind: kubepki.TrustFile, Authority: a,
				Certificates: []*x509.Certificate{of(a)}})
		}
		return lint.Layout(append(files, lint.TrustFile{Path: "pki/client-ca.crt", Kind: kubepki.ClientTrustFile,
			Families:     []kubepki.Authority{kubepki.KubernetesAuthority, kubepki.KubeletClientAuthority},
			Certificates: clients}))
	}
	if found := layout(kubernetes, kubelets); len(found) > 0 {
		t.Errorf("the right layout is refused: %v", found)
	}
	for _, clients := range [][]*x509.Certificate{
		nil, {kubernetes}, {kubernetes, kubernetes}, {kubelets, kubernetes},
		{kubernetes, kubelets, of(kubepki.EtcdAuthority)}, {kubernetes, of(kubepki.KubeletServingAuthority)},
		{of(kubepki.Root), kubernetes, kubelets},
	} {
		refuses(t, "k8s_client_trust", "does not hold the authorities of [kubernetes kubelet-client]",
			layout(clients...))
	}
}
