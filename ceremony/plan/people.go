package plan

import (
	"fmt"

	"officiant/ceremony/approval"
)

// people checks who is to approve and to witness, after the predecessors, whose
// people have a say in who follows them.
func (b *builder) people() {
	people, wrong := approval.New(b.p.People, b.p.Approvals)
	for _, w := range wrong {
		where := at{"people"}
		switch {
		case w.Person >= 0:
			where = append(where, w.Person, w.Field)
		case b.says(at{"approvals"}):
			where = at{"approvals"}
		}
		b.refuse(where, "%s", w.Message)
	}
	b.c.People = people
	if f := b.c.Former; f != nil && f.People.Fingerprint() == people.Fingerprint() {
		b.c.Former = nil
	}
	if b.c.Former != nil {
		b.warn(at{"people"}, "people or approvals are not those of %s: enough of those have to approve as well", b.c.Former.Whose)
	}
}

// formerPeople takes the people that the cluster's predecessor has on record.
func (b *builder) formerPeople(p Predecessor, open openRecord) {
	people, wrong := approval.New(open.People, open.Threshold)
	if len(wrong) > 0 {
		b.refuseInput(p.Transcript, "line 1: people: %s", wrong[0].Message)
		return
	}
	if !people.Nobody() {
		b.c.Former = &approval.Group{Whose: fmt.Sprintf("ceremony %d of %s", p.Sequence, p.Cluster), People: people, Former: true}
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

func (w *writer) people(p approval.People) {
	w.comment(0, "", "Who has to approve the plan before it runs, how many of them, and who witnesses:",
		"administrators and officers approve, each with an SSH key of their own. The next",
		"ceremony needs their approval to have others (see docs/approval.md).")
	if p.Nobody() {
		w.comment(0, "approvals: 2", "people:", `  - {name: alice, role: officer, key: "ssh-ed25519 AAAA…"}`)
		return
	}
	fmt.Fprintf(w, "approvals: %d\n", p.Threshold)
	w.open(0, "people")
	for _, one := range p.List {
		fmt.Fprintf(w, "  - {name: %s, role: %s, key: %q}\n", scalar(one.Name), one.Role, one.Key)
	}
}
