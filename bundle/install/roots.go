package install

import (
	"bytes"
	"crypto/x509"
	"errors"

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

// rootAfter is the root that is pinned once a bundle with these roots is in place.
// A pinned root stays pinned while bundles have it. When it is gone, the first one
// follows it, if the bundle in place, which was accepted under the old root, has it
// already, or has the pinned root with the same name and key: a certificate that
// ends later. False when none of this holds.
func (n *Node) rootAfter(pinned fingerprint.SHA256, roots []*x509.Certificate) (fingerprint.SHA256, bool, error) {
	if find(roots, pinned) != nil {
		return pinned, true, nil
	}
	before, err := n.installed()
	var refusal *bundle.Refusal
	if errors.As(err, &refusal) || before == nil && err == nil {
		return pinned, false, nil // what is not whole announces nothing
	}
	if err != nil {
		return pinned, false, err
	}
	known, err := rootsOf(before)
	if err != nil {
		return pinned, false, nil
	}
	old, next := find(known, pinned), fingerprint.Of(roots[0].Raw)
	if old == nil || find(known, next) == nil && !sameAuthority(old, roots[0]) {
		return pinned, false, nil
	}
	return next, true, nil
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
