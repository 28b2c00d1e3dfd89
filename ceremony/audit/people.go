package audit

import (
	"slices"

	"officiant/bundle/fingerprint"
	"officiant/bundle/phrase"
	"officiant/ceremony/approval"
	"officiant/ceremony/transcript"
)

// peopleAudit proves who approved, who was there, and who witnessed.
type peopleAudit struct{ *view }

// hasPeople says whether anybody had to approve, or is said to have approved.
func (a *peopleAudit) hasPeople() bool {
	if a.t == nil {
		return false
	}
	open := a.t.Open()
	return len(open.People)+open.Threshold+len(open.Approvals) > 0 || a.plan != nil && len(a.plan.Approvers()) > 0
}

// approved holds the people of the plan, the first line of the record and the
// files of approvals/ against each other.
func (a *peopleAudit) approved(c *Check) {
	open := a.t.Open()
	people := a.plan.People
	if !people.Nobody() {
		sum := people.Fingerprint()
		a.report.People = &sum
	}
	if !slices.Equal(open.People, recorded(people)) || open.Threshold != people.Threshold {
		c.problem("%s:1: names other people, or another threshold, than %s", transcriptFile, planFile)
	}
	files := a.filesOf(approvals)
	verdict := approval.Judge(a.plan.Digest, files, a.plan.Approvers()...)
	for _, bad := range verdict.Rejected {
		c.problem("%s", bad)
	}
	onRecord := a.approvalsOnRecord(c, verdict.Approvals)
	for _, v := range verdict.Approvals {
		if !onRecord[v.Signature] {
			c.problem("%s%s: the record does not have this approval by %s", approvals, v.File, v.Person)
			continue
		}
		a.expect(approvals + v.File)
		a.report.Approved = append(a.report.Approved, v.Person)
		c.note("approved by %s, %s", v.Person, v.Key)
	}
	a.enough(c, files, onRecord)
	c.Detail = phrase.Count(len(a.report.Approved), "approval")
}

// approvalsOnRecord looks for the file of each approval that the first line
// binds, and returns the sums of those that are there.
func (a *peopleAudit) approvalsOnRecord(c *Check, valid []approval.Approval) map[fingerprint.SHA256]bool {
	found := map[fingerprint.SHA256]bool{}
	for _, r := range a.t.Open().Approvals {
		i := slices.IndexFunc(valid, func(v approval.Approval) bool { return v.Signature == r.Signature })
		switch {
		case i < 0:
			c.problem("%s: no valid approval has the SHA-256 %s of %s's approval on record", approvals, r.Signature, r.Person)
		case found[r.Signature]:
			c.problem("%s:1: %s's approval stands there twice", transcriptFile, r.Person)
		case valid[i].Person != r.Person || valid[i].Key != r.Key:
			c.problem("%s:1: says that %s was signed by %s with %s; it was by %s with %s",
				transcriptFile, approvals+valid[i].File, r.Person, r.Key, valid[i].Person, valid[i].Key)
		}
		found[r.Signature] = found[r.Signature] || i >= 0
	}
	return found
}

// enough counts what is valid and was on record when the ceremony began.
func (a *peopleAudit) enough(c *Check, files map[string][]byte, onRecord map[fingerprint.SHA256]bool) {
	counted := map[string][]byte{}
	for name, data := range files {
		if onRecord[fingerprint.Of(data)] {
			counted[name] = data
		}
	}
	for _, t := range approval.Judge(a.plan.Digest, counted, a.plan.Approvers()...).Progress {
		switch {
		case t.Enough():
		case a.t.Open().Rehearsal:
			c.note("a rehearsal needs none: %s", t)
		default:
			c.problem("%s: too few people approved: %s", approvals, t)
		}
	}
}

// recorded are people as the first line has them.
func recorded(people approval.People) []transcript.Person {
	var out []transcript.Person
	for _, p := range people.List {
		out = append(out, transcript.Person(p))
	}
	return out
}

// hasWitnesses says whether anybody was to witness, or says that they did.
func (a *peopleAudit) hasWitnesses() bool {
	if a.t == nil || a.plan == nil {
		return false
	}
	return len(a.plan.People.Witnesses())+len(a.filesOf(witnesses)) > 0
}

// witnessed checks the signatures of witnesses over the record's head. Their
// number cannot be on record: they come after its end.
func (a *peopleAudit) witnessed(c *Check) {
	files := a.filesOf(witnesses)
	for _, file := range sortedKeys(files) {
		person, key, err := a.plan.People.Witnessed(a.t.Head(), file, files[file])
		if err != nil {
			c.problem("%s%s: %v", witnesses, file, err)
			continue
		}
		a.expect(witnesses + file)
		a.report.Witnessed = append(a.report.Witnessed, person)
		c.note("witnessed by %s, %s", person, key)
	}
	for _, w := range a.plan.People.Witnesses() {
		if !slices.Contains(a.report.Witnessed, w.Name) {
			c.note("not witnessed by %s", w.Name)
		}
	}
	c.Detail = phrase.Count(len(a.report.Witnessed), "signature")
}

func (a *peopleAudit) peoplePinned() bool { return a.o.People != nil }

// peopleOrigin holds the people against those pinned. Others are right, too, when
// they follow the pinned ones at once: enough of those had to approve it. The
// pin says who may approve, and so whose the plan is; that tokens and record
// are theirs, the release key says.
func (a *peopleAudit) peopleOrigin(c *Check) {
	pinned, own := *a.o.People, a.report.People
	former := a.plan.Former
	switch {
	case own != nil && *own == pinned:
		a.report.PeoplePinned = true
	case former != nil && former.People.Fingerprint() == pinned:
		a.report.PeoplePinned = true
		c.note("pinned are the people of %s; those of this plan follow them", former.Whose)
	case own == nil:
		c.problem("%s: names no people, pinned is %s", planFile, pinned)
	default:
		c.problem("%s: its people are %s, pinned is %s", planFile, *own, pinned)
	}
}
