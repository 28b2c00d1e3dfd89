package kubepki

import (
	"crypto/x509"
	"slices"
)

// authorityRow holds what the facts say about one authority's certificate.
type authorityRow struct {
	authority  Authority
	cn, docsCN string
	file       string
	maxPathLen int
	extKeys    []x509.ExtKeyUsage
}

// Every intermediate is limited to what it issues, and signs revocation lists.
// The front-proxy authority cannot make server certificates, so that a root in
// a server-verification bundle does not let it stand in for the API server.
var authorityRows = []authorityRow{
	{Root, "kubernetes-root-ca", "kubernetes-root-ca", "", 1, nil},
	{KubernetesAuthority, "kubernetes", "kubernetes-ca", caFile, 0, serverAndClient.extKeys()},
	{EtcdAuthority, "etcd-ca", "etcd-ca", etcdCAFile, 0, serverAndClient.extKeys()},
	{FrontProxyAuthority, "front-proxy-ca", "kubernetes-front-proxy-ca", frontProxyCAFile, 0, client.extKeys()},
	{KubeletServingAuthority, "kubelet-serving-ca", "kubelet-serving-ca", kubeletServingCAFile, 0, server.extKeys()},
	{KubeletClientAuthority, "kubelet-client-ca", "kubelet-client-ca", kubeletClientCAFile, 0, client.extKeys()},
}

// Authorities returns what the authorities of a cluster look like: root,
// kubernetes, etcd, front-proxy, then those of an online signer, in this order.
func Authorities(c Cluster) []AuthoritySpec {
	specs := make([]AuthoritySpec, 0, len(authorityRows))
	for _, r := range authorityRows {
		if !c.Has(r.authority) {
			continue
		}
		s := AuthoritySpec{
			Authority:   r.authority,
			CommonName:  r.cn,
			File:        r.file,
			Parent:      Root,
			MaxPathLen:  r.maxPathLen,
			KeyUsage:    x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
			ExtKeyUsage: slices.Clone(r.extKeys),
		}
		if c.Naming == NamingDocs {
			s.CommonName = r.docsCN
		}
		if r.authority == Root {
			s.Parent = ""
		}
		specs = append(specs, s)
	}
	return specs
}

// Has says whether the cluster has authorities of a family.
func (c Cluster) Has(a Authority) bool {
	switch a {
	case KubeletServingAuthority:
		return c.KubeletServing
	case KubeletClientAuthority:
		return c.KubeletClient
	}
	return true
}
