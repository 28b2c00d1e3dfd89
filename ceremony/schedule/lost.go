package schedule

import (
	"officiant/bundle/fingerprint"
	"officiant/ceremony/plan"
)

// lost begins the chain of a cluster anew, above all that its nodes have seen. What
// only a former record could vouch for cannot be carried over.
func (b *recordPass) lost(where plan.At) {
	l := b.p.Previous.Lost
	if err := plan.CheckLostReason(l.Reason); err != nil {
		b.Refuse(append(where, "reason"), "%v", err)
	}
	if l.Sequence < 1 {
		b.Refuse(append(where, "sequence"), "the sequence of the last ceremony is missing: the highest that any node "+
			"has seen, as officiant-node status shows it")
		return
	}
	if l.Sequence > plan.MostCeremonies && !b.held {
		b.Refuse(append(where, "sequence"), "the sequence %d is above %d, which no cluster reaches: some node says what is "+
			"not so; compare every node's officiant-node status", l.Sequence, plan.MostCeremonies)
		return
	}
	b.past.sequence = l.Sequence + 1
	b.Warn(where, "the chain begins anew: which certificates and serial numbers ceremonies 1 to %d issued, and who "+
		"had to approve them, is not known any more", l.Sequence)
	for i, a := range b.p.Authorities {
		if a.Adopted {
			b.Refuse(plan.At{"authorities", i, "adopted"}, "authority %s: no record says that it was adopted; a cluster "+
				"whose records are lost keeps only authorities of ceremonies", a.Name)
		}
	}
	if b.p.ServiceAccount.Sealed != "" {
		b.Refuse(plan.At{"serviceAccount", "sealed"}, "no record says to whom the pair was sealed, nor that it is the "+
			"cluster's: create a new one, which ends every token signed so far")
	}
	for i, list := range b.p.CRLs {
		if a := b.p.Named(list.Authority); a != nil && a.Key.Existing != (fingerprint.SHA256{}) {
			b.Warn(plan.At{"crls", i}, "the lists of %s are numbered from 1 again: whoever holds a former one with a "+
				"higher number may keep it", a.Name)
		}
	}
}
