package kubepki

import (
	"crypto/x509"
	"fmt"
	"slices"
)

var usageNames = map[x509.ExtKeyUsage]string{
	x509.ExtKeyUsageServerAuth: "serverAuth", x509.ExtKeyUsageClientAuth: "clientAuth",
}

// NotOf says why a certificate that was not made from these facts cannot replace
// a leaf of a node: it is another client's, or serves under no
// name of the node, or lacks a usage. Other differences do no harm for as long
// as an adopted cluster keeps its certificates.
func NotOf(cert *x509.Certificate, n Node, l Leaf) []string {
	var out []string
	for _, u := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
		if slices.Contains(l.ExtKeyUsage, u) && !slices.Contains(cert.ExtKeyUsage, u) &&
			!slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageAny) {
			out = append(out, "its extended key usage has no "+usageNames[u])
		}
	}
	serves := slices.Contains(l.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	switch {
	case l.Authority == EtcdAuthority && !n.Has(Etcd):
		// An etcd elsewhere lets in whom its authority certified, under any name, such as
		// kubespray's etcd-node-NAME.
	case !serves && cert.Subject.CommonName != l.CommonName:
		out = append(out, fmt.Sprintf("CN is %q, must be %q", cert.Subject.CommonName, l.CommonName))
	case serves && len(cert.DNSNames)+len(cert.IPAddresses) == 0:
		out = append(out, fmt.Sprintf("has no subject alternative name, and must be for %s or %s", n.Name, n.Address))
	case serves && cert.VerifyHostname(n.Name) != nil && cert.VerifyHostname(n.Address.String()) != nil:
		out = append(out, fmt.Sprintf("is neither for %s nor for %s, but for %q, %v", n.Name, n.Address, cert.DNSNames, cert.IPAddresses))
	}
	return out
}
