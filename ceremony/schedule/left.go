package schedule

import (
	"slices"

	"officiant/ceremony/plan"
)

// left checks the nodes that the plan says are gone for good: members so far, of which
// it certifies nothing.
func (b *nodePass) left(nodes map[string]bool) {
	for i, name := range b.p.Left {
		where := plan.At{"left", i}
		how, gone := b.past.Left(name)
		switch {
		case slices.Contains(b.p.Left[:i], name):
			b.Refuse(where, "node %s is there twice", name)
		case nodes[name]:
			b.Refuse(where, "node %s has left the cluster, and is under nodes as well", name)
		case b.past.LastOf(name) == nil:
			b.Refuse(where, "node %s: no ceremony named here issued anything to it, so it cannot leave", name)
		case gone:
			b.Warn(where, "node %s has left already: %s", name, how)
		}
	}
}
