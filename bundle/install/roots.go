package install

import (
	"errors"
	"slices"

	"officiant/bundle"
	"officiant/bundle/fingerprint"
)

// rootsOf are a bundle's roots: first the one above the authorities that issue.
func rootsOf(b *bundle.Bundle) ([]fingerprint.SHA256, error) {
	certs, err := b.RootCertificates()
	if err != nil {
		return nil, refusedf(nameOf(b), bundle.RootFile, "%v", err)
	}
	var roots []fingerprint.SHA256
	for _, c := range certs {
		roots = append(roots, fingerprint.Of(c.Raw))
	}
	return roots, nil
}

// rootAfter is the root that is pinned once a bundle with these roots is in place.
// A pinned root stays pinned while bundles have it. When it is gone, the first one
// follows it, if the bundle in place has it already: that one was accepted under
// the old root. False when neither holds.
func (n *Node) rootAfter(pinned fingerprint.SHA256, roots []fingerprint.SHA256) (fingerprint.SHA256, bool, error) {
	if slices.Contains(roots, pinned) {
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
	announced, err := rootsOf(before)
	if err != nil || !slices.Contains(announced, pinned) || !slices.Contains(announced, roots[0]) {
		return pinned, false, nil
	}
	return roots[0], true, nil
}
