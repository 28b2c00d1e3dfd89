package schedule

import (
	"fmt"

	"officiant/ceremony/approval"
	"officiant/ceremony/plan"
)

// peopleOf checks who is to approve and to witness, after the predecessors, whose
// people have a say in who follows them: those are former, where they are others.
func peopleOf(b base, past *records) (people approval.People, former *approval.Group) {
	people, wrong := approval.New(b.p.People, b.p.Approvals)
	for _, w := range wrong {
		where := plan.At{"people"}
		switch {
		case w.Person >= 0:
			where = append(where, w.Person, w.Field)
		case b.Says(plan.At{"approvals"}):
			where = plan.At{"approvals"}
		}
		b.Refuse(where, "%s", w.Message)
	}
	if past.people == nil || past.people.People.Fingerprint() == people.Fingerprint() {
		return people, nil
	}
	b.Warn(plan.At{"people"}, "people or approvals are not those of %s: enough of those have to approve as well",
		past.people.Whose)
	return people, past.people
}

// formerPeople takes the people that the cluster's predecessor has on record.
func (b *recordPass) formerPeople(p plan.Predecessor, open openRecord) {
	people, wrong := approval.New(open.People, open.Threshold)
	if len(wrong) > 0 {
		b.RefuseInput(p.Transcript, "line 1: people: %s", wrong[0].Message)
		return
	}
	if !people.Nobody() {
		b.past.people = &approval.Group{Whose: fmt.Sprintf("ceremony %d of %s", p.Sequence, p.Cluster), People: people,
			Former: true}
	}
}

// Approvers are the groups of people that have to approve: the plan's, and the
// predecessor's when they are others. None: nobody has to.
func (c *Ceremony) Approvers() []approval.Group {
	var groups []approval.Group
	if !c.People.Nobody() {
		groups = append(groups, approval.Group{Whose: "the plan", People: c.People})
	}
	if c.Former != nil {
		groups = append(groups, *c.Former)
	}
	return groups
}
