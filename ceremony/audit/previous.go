package audit

import (
	"fmt"
	"slices"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/history"
	"officiant/ceremony/transcript"
)

// chainAudit proves that the ceremony continues those that it names.
type chainAudit struct {
	*view
	serials map[history.Serial]*history.Record // that previous ceremonies used, and which
	sound   []*view                            // previous ones whose directories were at hand, without a finding
}

// predecessors holds the ceremonies this one continues against the plan, the
// record's first line and their own records, which are inputs of the plan; and
// looks at their directories where they are at hand.
func (a *chainAudit) predecessors(c *Check) {
	a.serials = map[history.Serial]*history.Record{}
	named := a.plan.Plan.Previous.Ceremonies
	a.firstLine(c)
	a.anew(c)
	for _, p := range named {
		r := a.past.records[p.Transcript]
		if r == nil {
			c.problem("%v", a.past.broken[p.Transcript])
			continue
		}
		for _, f := range []struct {
			what, got, want string
		}{
			{"head", r.Head.String(), p.Head.String()},
			{"cluster", r.Open.Cluster, p.Cluster},
			{"sequence", fmt.Sprint(r.Open.Sequence), fmt.Sprint(p.Sequence)},
		} {
			if f.got != f.want {
				c.problem("%s: its %s is %s, %s says %s", p.Transcript, f.what, f.got, planFile, f.want)
			}
		}
		if r.Closed == nil {
			c.problem("%s: unfinished; only a finished ceremony can be continued", p.Transcript)
		}
		if r.Open.Rehearsal {
			c.problem("%s: a rehearsal; nothing can continue it", p.Transcript)
		}
		if begin := a.t.Lines[0].Time; r.Ended.After(begin) {
			c.problem("%s: ended at %s, after this ceremony began at %s", p.Transcript, stamp(r.Ended), stamp(begin))
		}
		a.oldSerials(c, p.Transcript, r)
		a.earlier(c, p, r)
		a.givenUp(c, p)
		a.otherCluster(c, p.Transcript, r)
	}
	a.ordinal(c)
	a.rootBefore(c)
	switch n := len(named); n {
	case 0:
		c.Detail = "none"
	case 1:
		c.Detail = "1 previous ceremony"
	default:
		c.Detail = fmt.Sprintf("%d previous ceremonies", n)
	}
	a.directories(c)
}

// firstLine holds the record's first line against the plan.
func (a *chainAudit) firstLine(c *Check) {
	var want []transcript.Predecessor
	for _, p := range a.plan.Plan.Previous.Ceremonies {
		want = append(want, transcript.Predecessor{Cluster: p.Cluster, Sequence: p.Sequence, Head: p.Head})
	}
	if got := a.t.Open().Predecessors; !slices.Equal(got, want) {
		c.problem("%s:1: names other predecessors than %s: %v", transcriptFile, planFile, got)
	}
}

// anew holds what the first line says of lost records against the plan. That they
// are lost, nobody can prove; so it is said wherever the ceremony is verified.
func (a *chainAudit) anew(c *Check) {
	var want *transcript.Lost
	if l := a.plan.Plan.Previous.Lost; l != nil {
		want = &transcript.Lost{Sequence: l.Sequence, Reason: l.Reason}
	}
	got := a.t.Open().Lost
	if (got == nil) != (want == nil) || got != nil && *got != *want {
		c.problem("%s:1: says of lost records what %s does not, or the other way round", transcriptFile, planFile)
	}
	if got != nil {
		c.note(
			"the chain begins anew: the records of ceremonies 1 to %d are lost, reason: %s; what they issued, revoked and "+
				"to whom is not known here",
			got.Sequence,
			got.Reason,
		)
	}
}

// oldSerials takes the serial numbers of a previous record. They too come once.
func (a *chainAudit) oldSerials(c *Check, file string, r *history.Record) {
	for cert := range r.Certificates() {
		if cert.State == history.Adopted {
			continue // others gave it, and it is on the records of several ceremonies
		}
		if other := a.serials[cert.Serial]; other != nil && other.Head != r.Head {
			c.problem("%s: serial number %s was used by %s and by %s", file, cert.Serial, by(other), by(r))
		}
		a.serials[cert.Serial] = r
	}
}

// by names a ceremony in findings.
func by(r *history.Record) string {
	return fmt.Sprintf("ceremony %d of %s (%s)", r.Open.Sequence, r.Open.Cluster, r.Head)
}

// ordinal counts along the cluster's own chain.
func (a *chainAudit) ordinal(c *Check) {
	want := 1
	if l := a.plan.Plan.Previous.Lost; l != nil {
		want = l.Sequence + 1
	}
	for _, p := range a.plan.Plan.Previous.Ceremonies {
		if p.Cluster == a.t.Open().Cluster {
			want = max(want, p.Sequence+1)
		}
	}
	if got := a.t.Open().Sequence; got != want {
		c.problem("%s:1: sequence is %d, after its predecessors it has to be %d", transcriptFile, got, want)
	}
}

// directories looks at the previous ceremonies' own directories. Each has to be
// named by this ceremony, or by another of them.
func (a *chainAudit) directories(c *Check) {
	heads := map[fingerprint.SHA256]bool{}
	for _, p := range a.t.Open().Predecessors {
		heads[p.Head] = true
	}
	var looks []*view
	for _, dir := range a.o.Previous {
		former, err := look(dir, Options{Now: a.o.Now})
		if err != nil {
			c.problem("%v", err)
			continue
		}
		for _, f := range former.report.Findings() {
			c.problem("%s: %s", dir, f)
		}
		if former.t == nil {
			continue
		}
		if len(former.report.Findings()) == 0 {
			a.sound = append(a.sound, former)
		}
		looks = append(looks, former)
		for _, p := range former.t.Open().Predecessors {
			heads[p.Head] = true
		}
		verdict := former.report.Verdict()
		if verdict == Unpinned {
			verdict = consistent
		}
		c.note("%s", former.report.summary(verdict))
	}
	for _, former := range looks {
		if !heads[former.t.Head()] {
			c.problem(
				"%s: no ceremony here continues it; its head is %s%s",
				former.report.Directory,
				former.t.Head(),
				a.missing(former, looks),
			)
		}
		if r, err := history.Read(history.Directory(former.report.Directory)); err != nil {
			c.problem("%s: %v", former.report.Directory, err)
		} else {
			a.oldSerials(c, former.report.Directory, r)
		}
	}
}

// missing names what may link a previous ceremony to those here: the later ones of
// its cluster that they continue, and that are not here.
func (a *chainAudit) missing(former *view, looks []*view) string {
	here := map[fingerprint.SHA256]bool{}
	for _, l := range looks {
		here[l.t.Head()] = true
	}
	open, names := former.t.Open(), ""
	for _, l := range append([]*view{a.view}, looks...) {
		for _, p := range l.t.Open().Predecessors {
			if p.Cluster == open.Cluster && p.Sequence > open.Sequence && !here[p.Head] {
				names += fmt.Sprintf(
					"; ceremony %d of %s, which ceremony %d continues, is not here",
					p.Sequence,
					p.Cluster,
					l.t.Open().Sequence,
				)
			}
		}
	}
	return names
}
