package schedule

import (
	"slices"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/ceremony/plan"
)

// lost begins the chain of a cluster anew, above all that its nodes have seen. What
// only a previous record could vouch for cannot be carried over.
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
	b.keptAccount()
	for i, list := range b.p.CRLs {
		if a := b.p.Named(list.Authority); a != nil && a.Key.Existing != (fingerprint.SHA256{}) {
			b.Warn(plan.At{"crls", i}, "the lists of %s are numbered from 1 again: whoever holds a former one with a "+
				"higher number may keep it", a.Name)
		}
	}
}

// keptAccount checks a service-account pair that stays although no record says to whom
// it was sealed: nodes that have it sealed it to each control-plane node again, to one
// as the plan's file and to each other as its own.
func (b *recordPass) keptAccount() {
	sa := b.p.ServiceAccount
	if sa.Sealed == "" {
		return
	}
	where := plan.At{"serviceAccount", "sealed"}
	if sa.Next != (plan.NextAccount{}) {
		b.Refuse(
			append(where[:1:1], "next"),
			"no record says to whom the next pair was sealed: it is made anew, after this ceremony",
		)
	}
	main := ""
	for i, n := range b.p.Nodes {
		switch {
		case !slices.Contains(n.Roles, kubepki.ControlPlane) || n.Sealed != "":
		case main != "":
			b.Refuse(
				plan.At{"nodes", i},
				"nodes %s and %s have no file of their own (sealed), and no record says that %s opens "+
					"for both: create a new pair, which ends every token signed so far, or have the key sealed to each",
				main,
				n.Name,
				sa.Sealed,
			)
		default:
			main = n.Name
		}
	}
	b.Warn(
		where,
		"no record says that this pair is the cluster's: compare %s with what officiant-node status shows on each "+
			"control-plane node",
		sa.Public,
	)
}
