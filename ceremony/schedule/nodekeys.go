package schedule

import (
	"slices"
	"strings"

	"officiant/bundle/fingerprint"
	"officiant/bundle/request"
	"officiant/ceremony/plan"
	"officiant/signer"
)

// source checks where a node's keys come from: a request of its own, or the
// ceremony, which needs somebody to seal them to.
func (b *nodePass) source(i int) {
	in, where := b.p.Nodes[i], plan.At{"nodes", i}
	b.renewNames(i)
	if in.Keys == (plan.NodeKeys{}) {
		if in.Request == "" {
			b.Refuse(where, "node %s has no request", in.Name)
		}
		return
	}
	where = append(where, "keys")
	if in.Request != "" || in.Fingerprint != (fingerprint.SHA256{}) || in.Host != "" {
		b.Refuse(where, "node %s: its keys come from its request, or are made in the ceremony (keys), and not both", in.Name)
	}
	switch in.Keys.Create {
	case signer.ECDSAP256, signer.ECDSAP384, signer.RSA2048, signer.RSA3072, signer.RSA4096:
	default:
		b.Refuse(append(where, "create"), "node %s: a node's keys are ECDSA-P256, ECDSA-P384, RSA-2048, RSA-3072 or "+
			"RSA-4096, not %q", in.Name, in.Keys.Create)
	}
	if in.Keys.Recipient == "" {
		b.Refuse(where, "node %s: keys that are made in the ceremony need a recipient (age1…) to be sealed to", in.Name)
	} else if err := request.CheckRecipient(in.Keys.Recipient); err != nil {
		b.Refuse(append(where, "recipient"), "node %s: %v", in.Name, err)
	} else if !strings.HasPrefix(in.Keys.Recipient, "age1") { // unseal opens with an age identity
		b.Refuse(append(where, "recipient"), "node %s: is not an X25519 recipient of age (age1…)", in.Name)
	}
	b.Warn(where, "node %s: its keys are made in the ceremony; whoever opens what is sealed to %s has them all", in.Name,
		fingerprint.Recipient(in.Keys.Recipient))
}

// Recipient is the age recipient to which a node's secrets are sealed.
func (c *Ceremony) Recipient(node string) string {
	return (&requestFacts{requests: c.Requests}).recipient(c.Plan, node)
}

// LeavesOf names a node's certificates, in the schedule's order.
func (c *Ceremony) LeavesOf(node string) []string {
	var names []string
	for n := range c.Len() {
		if kind, of := c.Of(n + 1); kind == LeafCertificate && of == node {
			names = append(names, c.Entry(n+1).Leaf.Name)
		}
	}
	slices.Sort(names)
	return names
}
