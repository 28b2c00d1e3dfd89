package install

import (
	"bytes"
	"crypto/x509"

	"officiant/bundle"
	"officiant/bundle/fingerprint"
)

// rootsOf are a bundle's roots: first the one above the authorities that issue.
func rootsOf(b *bundle.Bundle) ([]*x509.Certificate, error) {
	roots, err := b.RootCertificates()
	if err != nil {
		return nil, refusedf(nameOf(b), bundle.RootFile, "%v", err)
	}
	return roots, nil
}

// comparedRoot refuses a bundle without the root whose words people compared.
func comparedRoot(b *bundle.Bundle, roots []*x509.Certificate, compared *fingerprint.SHA256) error {
	if compared == nil || find(roots, *compared) != nil {
		return nil
	}
	return refusedf(nameOf(b), bundle.RootFile, "the root that was compared, %s, is not in it; the first that is: %s", compared, fingerprint.Of(roots[0].Raw))
}

func find(list []*x509.Certificate, sum fingerprint.SHA256) *x509.Certificate {
	for _, c := range list {
		if fingerprint.Of(c.Raw) == sum {
			return c
		}
	}
	return nil
}

// sameAuthority says whether two certificates are of one name and key. That the
// key signed the second, the bundle's check says.
func sameAuthority(a, b *x509.Certificate) bool {
	return bytes.Equal(a.RawSubject, b.RawSubject) && bytes.Equal(a.RawSubjectPublicKeyInfo, b.RawSubjectPublicKeyInfo)
}
