package audit

import (
	"slices"

	"officiant/ceremony/history"
	"officiant/ceremony/plan"
	"officiant/ceremony/transcript"
)

// givenUp wants each transcript of a ceremony that was given up to be one: of this
// cluster, given up to its end, and where the chain is that the plan names. What it
// issued counts as issued. Its people's signatures are in its own directory.
func (a *chainAudit) givenUp(c *Check, p plan.Predecessor) {
	chain := map[string]bool{} // heads
	for _, file := range append([]string{p.Transcript}, p.Earlier...) {
		if r := a.past.records[file]; r != nil {
			chain[r.Head.String()] = true
		}
	}
	for _, file := range p.Abandoned {
		r := a.past.given[file]
		if r == nil {
			c.problem("%v", a.past.broken[file])
			continue
		}
		if r.Abandonment == nil || !r.AbandonmentClosed || r.Closed != nil || r.Open.Rehearsal {
			c.problem("%s: is of no ceremony that people gave up to its end", file)
		}
		if r.Open.Cluster != a.t.Open().Cluster || p.Cluster != r.Open.Cluster {
			c.problem("%s: is of cluster %s, and no ceremony of this one", file, r.Open.Cluster)
		}
		if !beside(r, chain) {
			c.problem("%s: %s would have continued none of the ceremonies that %s names", file, by(r), planFile)
		}
		if begin := a.t.Lines[0].Time; r.Ended.After(begin) {
			c.problem("%s: ended at %s, after this ceremony began at %s", file, stamp(r.Ended), stamp(begin))
		}
		a.oldSerials(c, file, r)
		c.note("%s: %s was given up; what it issued counts as issued", file, by(r))
	}
}

// beside says whether a ceremony was the cluster's first, or began where one of a chain
// had ended.
func beside(r *history.Record, chain map[string]bool) bool {
	own := slices.DeleteFunc(slices.Clone(r.Open.Predecessors), func(o transcript.Predecessor) bool {
		return o.Cluster != r.Open.Cluster
	})
	if len(own) == 0 {
		return r.Open.Sequence == 1
	}
	return chain[own[0].Head.String()]
}
