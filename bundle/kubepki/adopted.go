package kubepki

import (
	"crypto/x509"
	"fmt"
	"slices"
)

// NotOf says why a certificate that was not made by these facts cannot stand in
// for a leaf of a node all the same: it is another client's, or serves under no
// name of the node, or lacks a usage. What else differs harms nobody for the time
// that a cluster which is adopted keeps its certificates.
func NotOf(cert *x509.Certificate, n Node, l Leaf) []string {
	var out []string
	for _, u := range l.ExtKeyUsage {
		if !slices.Contains(cert.ExtKeyUsage, u) {
			out = append(out, "lacks an extended key usage it is needed for")
			break
		}
	}
	serves := slices.Contains(l.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	switch {
	case l.Authority == EtcdAuthority && !n.Has(Etcd):
		// An etcd elsewhere lets in whom its authority certified, under any name, such as
		// kubespray's etcd-node-NAME.
	case !serves && cert.Subject.CommonName != l.CommonName:
		out = append(out, fmt.Sprintf("CN is %q, must be %q", cert.Subject.CommonName, l.CommonName))
	case serves && cert.VerifyHostname(n.Name) != nil && cert.VerifyHostname(n.Address.String()) != nil:
		out = append(out, fmt.Sprintf("is neither for %s nor for %s, but for %q, %v", n.Name, n.Address, cert.DNSNames, cert.IPAddresses))
	}
	return out
}
