package plan

import (
	"cmp"
	"slices"

	"officiant/signer"
)

// Renews says that the node's request is the one it has its certificates by, and
// that what Renew does not name is carried over.
func (n Node) Renews() bool { return n.Renew != nil }

// Makes says whether the ceremony makes a node's certificate of that name.
func (n Node) Makes(leaf string) bool { return !n.Renews() || slices.Contains(n.Renew, leaf) }

// NodeKeys asks the ceremony to make a node's keys, for those who cannot run
// anything on the node. They leave memory only sealed to the recipient.
type NodeKeys struct {
	Create    signer.Algorithm `yaml:"create"`    // ECDSA-P256, ECDSA-P384, RSA-2048…4096
	Recipient string           `yaml:"recipient"` // age1…
}

// KnownAs is the node's name in known_hosts.
func (n Node) KnownAs() string { return cmp.Or(n.Host, n.Name) }
