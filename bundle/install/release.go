package install

import (
	"crypto"
	"errors"
	"fmt"

	"officiant/bundle"
	"officiant/bundle/fingerprint"
)

// whole is the bundle in place; nil when there is none, or what is there is not
// one any more: that announces nothing, and makes nothing known.
func (n *Node) whole() (*bundle.Bundle, error) {
	b, err := n.installed()
	var refusal *bundle.Refusal
	if errors.As(err, &refusal) {
		return nil, nil
	}
	return b, err
}

// announced is the release key that the bundle in place announces; nil when it
// announces none. What is not whole announces nothing.
func (n *Node) announced() (*fingerprint.SHA256, error) {
	b, err := n.whole()
	if b == nil {
		return nil, err
	}
	return announcedBy(b), nil
}

// announcedBy is the release key a bundle announces; nil when it announces none.
func announcedBy(b *bundle.Bundle) *fingerprint.SHA256 {
	pub, err := b.NextRelease()
	if err != nil || pub == nil {
		return nil
	}
	spki, err := fingerprint.SPKI(pub)
	if err != nil {
		return nil
	}
	return &spki
}

// OtherRelease begins the problem of a bundle whose release key the node does not take.
const OtherRelease = "is by another release key than this node pinned"

// Takes says whether the node takes bundles by a release key: any when none is
// pinned; else the pinned one, and the one that the bundle in place announces.
// With the first bundle by that one the pin moves, and the key before is refused.
// The reason is a finding's text; empty when it does.
func (n *Node) Takes(release crypto.PublicKey) (reason string, err error) {
	spki, err := fingerprint.SPKI(release)
	if err != nil {
		return "", fmt.Errorf("release key: %w", err)
	}
	pins, err := n.State().Pins()
	if err != nil || pins == nil || spki == pins.Release {
		return "", err
	}
	next, err := n.announced()
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

// comparedRelease refuses a release key that is not the one whose words people
// compared.
func comparedRelease(b *bundle.Bundle, o Options) error {
	if o.NewRelease == nil {
		return nil
	}
	spki, err := fingerprint.SPKI(o.Release)
	if err != nil {
		return fmt.Errorf("release key: %w", err)
	}
	if spki != *o.NewRelease {
		return refusedf(nameOf(b), bundle.SignatureFile, "is by release key %s, not by the one that was compared, %s", spki, *o.NewRelease)
	}
	return nil
}
