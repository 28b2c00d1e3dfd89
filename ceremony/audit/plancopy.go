package audit

import (
	"errors"

	"officiant/bundle/phrase"
	"officiant/ceremony/plan"
	"officiant/ceremony/schedule"
)

// planAudit proves that the plan is the one on record.
type planAudit struct{ *view }

// planCopy expands the directory's copy of the plan and holds it against the
// first line of the record. The plan's certificates are judged as of the
// ceremony's own beginning.
func (a *planAudit) planCopy(c *Check) {
	p, err := schedule.OpenFS(a.tree, planFile, schedule.Options{Now: a.t.Open().NotBefore, Held: true,
		Lean: true})
	if err != nil {
		for _, line := range planProblems(err) {
			c.problem("%s", line)
		}
		return
	}
	a.use(c, p)
	c.Detail = phrase.Count(p.Len(), "line") + " of schedule"
	open := a.t.Open()
	for _, f := range []struct{ what, got, want string }{
		{"digest", p.Digest.String(), open.Digest.String()},
		{"name", p.Plan.Name, open.Name},
		{"cluster", p.Cluster.Name, open.Cluster},
	} {
		if f.got != f.want {
			c.problem("%s: its %s is %s, the record's first line says %s", planFile, f.what, f.got, f.want)
		}
	}
	if p.Sequence != open.Sequence {
		c.problem("%s: it is ceremony %d of its chain, the record's first line says %d", planFile, p.Sequence, open.Sequence)
	}
	a.schedule(c, p)
	if p.People.Nobody() {
		c.note("the plan names nobody who had to approve it")
	}
	a.expect(planFile, scheduleFile)
	for name := range p.Sums {
		a.expect(name)
	}
}

// schedule holds schedule.txt against what the plan expands to.
func (a *planAudit) schedule(c *Check, p *schedule.Ceremony) {
	f, err := a.tree.open(scheduleFile)
	if err != nil {
		c.problem("%v", err)
		return
	}
	defer f.Close()
	switch line, err := p.SameSchedule(f); {
	case err != nil:
		c.problem("%s: %v", scheduleFile, err)
	case line > 0:
		c.problem("%s: line %d is not what the plan expands to", scheduleFile, line)
	}
}

// use takes the plan as what the record is held against: of a rehearsal, what a
// rehearsal makes of it.
func (a *planAudit) use(c *Check, p *schedule.Ceremony) {
	a.plan, a.past = p, readPast(p)
	if a.t.Open().Rehearsal {
		if rehearsed, err := p.Rehearsal(); err != nil {
			c.problem("%s: %v", planFile, err)
		} else {
			a.plan = rehearsed
		}
	}
	a.nodes = newNodeLines(a.plan)
}

// planProblems lists what is wrong with a plan, a line each.
func planProblems(err error) []string {
	var invalid *plan.Invalid
	if !errors.As(err, &invalid) || len(invalid.Problems) == 0 {
		return []string{planFile + ": " + err.Error()}
	}
	var out []string
	for _, p := range invalid.Problems {
		out = append(out, p.Place()+": "+p.Message)
	}
	return out
}

func isCertificate(k schedule.Kind) bool {
	return k == schedule.RootCertificate || k == schedule.AuthorityCertificate || k == schedule.LeafCertificate
}

func isList(k schedule.Kind) bool { return k == schedule.CRLSignature }
func isFile(k schedule.Kind) bool {
	return k == schedule.BundleSignature || k == schedule.GrantSignature
}
