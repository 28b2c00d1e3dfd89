package install

import (
	"bytes"
	"crypto/x509"
	"fmt"

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
// A pinned root stays pinned while bundles have it; when it is gone, the first one
// follows it. The reason is a finding's text when there is a root this node has no
// ground to believe in; empty when there is none such.
//
// A release key alone must not bring a new root: then whoever had stolen it could
// bring authorities of his own. So a root that is not known to this node is one
// whose words people compared.
func (n *Node) rootAfter(pinned fingerprint.SHA256, roots []*x509.Certificate, compared *fingerprint.SHA256) (fingerprint.SHA256, string, error) {
	known, err := n.knownRoots()
	if err != nil {
		return pinned, "", err
	}
	old := find(known, pinned)
	if old == nil {
		old = find(roots, pinned)
	}
	for _, c := range roots {
		sum := fingerprint.Of(c.Raw)
		switch {
		case sum == pinned, find(known, sum) != nil, old != nil && sameAuthority(old, c), compared != nil && sum == *compared:
		default:
			return pinned, fmt.Sprintf("is not the root this node pinned, %s, nor one it knows: SHA-256 is %s; "+
				"when people have compared its words: --new-root %s", pinned, sum, sum), nil
		}
	}
	if find(roots, pinned) != nil {
		return pinned, "", nil
	}
	return fingerprint.Of(roots[0].Raw), "", nil
}

// knownRoots are those of the bundle in place, which passed here. What is not
// whole makes nothing known.
func (n *Node) knownRoots() ([]*x509.Certificate, error) {
	b, err := n.whole()
	if b == nil {
		return nil, err
	}
	roots, err := rootsOf(b)
	if err != nil {
		return nil, nil
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
