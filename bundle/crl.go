package bundle

import (
	"bytes"
	"crypto/x509"
	"fmt"

	"officiant/bundle/kubepki"
)

// revocationLists is the first format that may hold a revocation list.
const revocationLists = 3

// ParseRevocationList reads pki/etcd/ca.crl: one DER list with a number and
// nothing else, since etcd reads no PEM.
func ParseRevocationList(data []byte) (*x509.RevocationList, error) {
	if bytes.HasPrefix(data, []byte("-----BEGIN")) {
		return nil, fmt.Errorf("is PEM; etcd reads DER alone, and refuses every connection without a list it can read")
	}
	list, err := x509.ParseRevocationList(data)
	switch {
	case err != nil:
		return nil, fmt.Errorf("is not one revocation list in DER: %w", err)
	case !bytes.Equal(list.Raw, data):
		return nil, fmt.Errorf("is not one revocation list in DER")
	case list.Number == nil:
		return nil, fmt.Errorf("has no CRL number")
	}
	return list, nil
}

// revocationList checks a list: one of the family's authorities signed it, and
// nothing this node has is on it. etcd heeds neither who signed it nor its dates.
func (c *checker) revocationList(f kubepki.File, data []byte) {
	list, err := ParseRevocationList(data)
	if err != nil {
		c.add(f.Path, "%v", err)
		return
	}
	var signer *x509.Certificate
	for _, cert := range c.authority.everyAuthority()[f.Authority] {
		if bytes.Equal(list.RawIssuer, cert.RawSubject) && bytes.Equal(list.AuthorityKeyId, cert.SubjectKeyId) {
			signer = cert
		}
	}
	switch {
	case signer == nil:
		c.add(f.Path, "was issued by %q, which is no %s authority of this bundle", list.Issuer, f.Authority)
	case list.CheckSignatureFrom(signer) != nil:
		c.add(f.Path, "its signature is not authority %s's", f.Authority)
	}
	if now := c.o.Now; !now.IsZero() && now.Before(list.ThisUpdate) {
		c.add(f.Path, "is dated %s; the clock here says %s", formatTime(list.ThisUpdate), formatTime(now))
	}
	for _, e := range list.RevokedCertificateEntries {
		if seen, ok := c.authority.serials[e.SerialNumber.String()]; ok {
			c.add(f.Path, "revokes the certificate in %s (serial %x)", seen.file, e.SerialNumber)
		}
	}
}

// etcdArguments is the part of a kubeadm configuration that gives etcd the list.
func etcdArguments(f *Facts) string {
	listFile := f.place("pki/etcd/ca.crl")
	return "etcd:\n  local:\n    extraArgs:\n" + arguments(f.Cluster.KubernetesVersion, 4,
		argument{"client-crl-file", listFile}, argument{"peer-crl-file", listFile})
}
