package schedule

import (
	"fmt"

	"officiant/ceremony/approval"
	"officiant/ceremony/history"
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

// groupOf are the people on record of a ceremony; false when nobody had to approve.
func groupOf(b base, r *history.Record) (approval.Group, bool) {
	var list []plan.Person
	for _, p := range r.Open.People {
		list = append(list, plan.Person(p))
	}
	people, wrong := approval.New(list, r.Open.Threshold)
	if len(wrong) > 0 {
		b.RefuseInput(r.Source.Name, "line 1: people: %s", wrong[0].Message)
		return approval.Group{}, false
	}
	whose := fmt.Sprintf("ceremony %d of %s", r.Open.Sequence, r.Open.Cluster)
	return approval.Group{Whose: whose, People: people, Former: true}, !people.Nobody()
}

// Judged copies the required approvers from the same plan, opened before. A ceremony
// about to be held uses its copy of the plan as it would that of a past ceremony.
func (c *Ceremony) Judged(before *Ceremony) {
	c.held, c.Former, c.Sharing = before.held, before.Former, before.Sharing
}

// Approvers are the groups of people that have to approve: the plan's, those of the
// cluster's last ceremony when they are others, and those of other clusters'
// ceremonies that opened a key last which this one opens. None: nobody has to.
func (c *Ceremony) Approvers() []approval.Group {
	var groups []approval.Group
	if !c.People.Nobody() {
		groups = append(groups, approval.Group{Whose: "the plan", People: c.People})
	}
	if c.Former != nil {
		groups = append(groups, *c.Former)
	}
	if !c.held { // of a ceremony that was held, it was not always asked
		groups = append(groups, c.Sharing...)
	}
	return groups
}
