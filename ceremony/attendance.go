package ceremony

import (
	"fmt"
	"slices"
	"strings"

	"officiant/ceremony/approval"
	"officiant/ceremony/transcript"
)

// Attended returns a *Refused if those named as present are not people of the
// plan, or if nobody present may conduct it. A plan without people has no attendance.
func Attended(people approval.People, present []string) error {
	if people.Nobody() {
		if len(present) > 0 {
			return &Refused{[]string{"the plan names no people, so nobody of them can be present"}}
		}
		return nil
	}
	if err := ofThePlan(people, "is present", present); err != nil {
		return err
	}
	for _, p := range people.Approvers() {
		if slices.Contains(present, p.Name) {
			return nil
		}
	}
	return &Refused{[]string{"nobody is present who may conduct: one of " + names(people.Approvers())}}
}

// ofThePlan wants names to be people of the plan, each once.
func ofThePlan(people approval.People, what string, given []string) error {
	for i, name := range given {
		switch {
		case !slices.ContainsFunc(people.List, func(p approval.Person) bool { return p.Name == name }):
			return &Refused{[]string{fmt.Sprintf("%q %s and is not one of the plan's people: %s", name, what,
				names(people.List))}}
		case slices.Contains(given[:i], name):
			return &Refused{[]string{fmt.Sprintf("%s %s twice", name, what)}}
		}
	}
	return nil
}

func names(people []approval.Person) string {
	var all []string
	for _, p := range people {
		all = append(all, p.Name)
	}
	return strings.Join(all, ", ")
}

// people refuses a process that begins with others than the plan's people: those
// present, and those who agree that a check of the room is waived.
func (r *run) people() error {
	people := r.Plan.People
	if r.rehearsal {
		return nil // whoever is there may rehearse
	}
	if err := Attended(people, r.Present); err != nil || people.Nobody() {
		return err
	}
	if err := ofThePlan(people, "waives a check of the room", r.Waive.By); err != nil {
		return err
	}
	for _, name := range r.Waive.By {
		if !slices.Contains(r.Present, name) {
			return &Refused{[]string{name + " waives a check of the room, and is not present"}}
		}
	}
	return nil
}

// takeAttendance puts on record who is here. Every process does: whoever goes on
// may be others.
func (r *run) takeAttendance() error {
	if r.progress.Closed || r.plan.People.Nobody() || r.rehearsal {
		return nil
	}
	var present, absent []string
	for _, p := range r.plan.People.List {
		if slices.Contains(r.Present, p.Name) {
			present = append(present, p.Name)
		} else {
			absent = append(absent, p.Name)
		}
	}
	said := "present: " + strings.Join(present, ", ")
	if len(absent) > 0 {
		said += "; absent: " + strings.Join(absent, ", ")
	}
	r.observer.Say(said)
	_, err := r.progress.Record(transcript.Attendance{Present: present})
	return err
}
