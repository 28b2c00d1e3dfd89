package install

import (
	"crypto"
	"crypto/x509"
	"fmt"

	"officiant/bundle"
	"officiant/bundle/fingerprint"
)

// pinning decides which roots and release keys a node goes on with: what it pinned,
// and what the bundle in place makes known.
type pinning struct{ record }

// pin compares the bundle with what earlier installs pinned, and says what is
// pinned after this one.
func (p pinning) pin(a *accepted, o Options) error {
	b := a.bundle
	roots, err := rootsOf(b)
	if err != nil {
		return err
	}
	if err := comparedRelease(b, o); err != nil {
		return err
	}
	if err := comparedRoot(b, roots, o.NewRoot); err != nil {
		return err
	}
	spki, err := fingerprint.SPKI(o.Release)
	if err != nil {
		return fmt.Errorf("release key: %w", err)
	}
	if a.next = announcedBy(b); a.next != nil && *a.next == spki {
		return refusedf(nameOf(b), bundle.NextReleaseFile, "announces the very key that signed the bundle")
	}
	a.pins = &Pins{
		APIVersion: apiVersion, Kind: pinsKind, Cluster: b.Cluster, Node: b.Node,
		Root: fingerprint.Of(roots[0].Raw), Release: spki,
		HighestSequence: b.Sequence, HighestBundle: fingerprint.Of(b.Sums),
	}
	old, err := p.state.Pins()
	if err != nil {
		return err
	}
	a.roots = roots
	if old == nil {
		a.first = true
		return nil
	}
	a.before = old
	return p.follows(a, o)
}

// follows refuses what is not by those this node pinned, or older than what it
// has seen; a root that follows the pinned one goes into the pins.
func (p pinning) follows(a *accepted, o Options) error {
	b, old := a.bundle, a.before
	var f []bundle.Finding
	add := func(file, format string, args ...any) {
		f = append(f, bundle.Finding{File: file, Problem: fmt.Sprintf(format, args...)})
	}
	if b.Cluster != old.Cluster || b.Node != old.Node {
		add(bundle.SumsFile, "is for node %s of cluster %s; this is node %s of cluster %s",
			b.Node, b.Cluster, old.Node, old.Cluster)
	}
	root, reason, err := p.rootAfter(old.Root, a.roots, o.NewRoot)
	if err != nil {
		return err
	}
	if reason != "" {
		add(bundle.RootFile, "%s", reason)
	}
	a.pins.Root = root
	if o.NewRelease == nil {
		reason, err := p.takes(o.Release)
		if err != nil {
			return err
		}
		if reason != "" {
			add(bundle.SignatureFile, "%s", reason)
		}
	}
	switch {
	case b.Sequence < old.HighestSequence:
		add(bundle.SumsFile, "sequence %d is older than %d, the newest this node has seen", b.Sequence, old.HighestSequence)
	case b.Sequence == old.HighestSequence && a.pins.HighestBundle != old.HighestBundle:
		add(bundle.SumsFile, "is another bundle of sequence %d than the one this node has seen", b.Sequence)
	case b.Sequence == old.HighestSequence:
		a.again = true
	}
	if len(f) > 0 {
		return &Refused{nameOf(b), f}
	}
	return nil
}

// takes says whether the node takes bundles by a release key: any when none is
// pinned; else the pinned one, and the one that the bundle in place announces.
// With the first bundle by that one the pin moves, and the key before is refused.
// The reason is a finding's text; empty when it does.
func (p pinning) takes(release crypto.PublicKey) (reason string, err error) {
	spki, err := fingerprint.SPKI(release)
	if err != nil {
		return "", fmt.Errorf("release key: %w", err)
	}
	pins, err := p.state.Pins()
	if err != nil || pins == nil || spki == pins.Release {
		return "", err
	}
	next, err := p.announced()
	if err != nil {
		return "", err
	}
	reason = fmt.Sprintf("%s: SHA-256 is %s, pinned is %s", OtherRelease, spki, pins.Release)
	switch {
	case next == nil:
		return reason, nil
	case *next == spki:
		return "", nil
	}
	return reason + fmt.Sprintf(", announced is %s", next), nil
}

// announced is the release key that the bundle in place announces; nil when it
// announces none. What is not whole announces nothing.
func (p pinning) announced() (*fingerprint.SHA256, error) {
	b, err := p.whole()
	if b == nil {
		return nil, err
	}
	return announcedBy(b), nil
}

// OtherRoot is in the finding of a root that the node has no ground to believe in,
// before the root's fingerprint.
const OtherRoot = "nor one it knows: SHA-256 is "

// rootAfter is the root that is pinned once a bundle with these roots is in place.
// A pinned root stays pinned while bundles have it; when it is gone, the first one
// follows it. The reason is a finding's text when there is a root this node has no
// ground to believe in; empty when there is none such.
//
// A release key alone must not bring a new root: then whoever had stolen it could
// bring authorities of his own. So a root that is not known to this node is one
// whose words people compared.
func (p pinning) rootAfter(
	pinned fingerprint.SHA256, roots []*x509.Certificate, compared *fingerprint.SHA256,
) (fingerprint.SHA256, string, error) {
	known, err := p.knownRoots()
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
			return pinned, fmt.Sprintf("is not the root this node pinned, %s, %s%s", pinned, OtherRoot, sum), nil
		}
	}
	if find(roots, pinned) != nil {
		return pinned, "", nil
	}
	return fingerprint.Of(roots[0].Raw), "", nil
}

// knownRoots are those of the bundle in place, which passed here. What is not
// whole makes nothing known.
func (p pinning) knownRoots() ([]*x509.Certificate, error) {
	b, err := p.whole()
	if b == nil {
		return nil, err
	}
	roots, err := rootsOf(b)
	if err != nil {
		return nil, nil
	}
	return roots, nil
}
