package install

import (
	"fmt"

	"officiant/bundle"
	"officiant/bundle/fingerprint"
)

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
