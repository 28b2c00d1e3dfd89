package audit

import (
	"maps"
	"slices"
	"strings"

	"officiant/bundle/fingerprint"
	"officiant/bundle/phrase"
	"officiant/ceremony/approval"
	"officiant/ceremony/transcript"
)

// stationAudit proves that a ceremony went by another station file only once people
// had agreed to it, and every key had been found by it.
type stationAudit struct{ *view }

// changes says whether the ceremony went by more than one station file.
func (a *stationAudit) changes() bool {
	return a.t != nil && slices.ContainsFunc(a.t.Lines, func(l transcript.Line) bool {
		_, ok := l.Record.(transcript.StationChanged)
		return ok
	})
}

// stations walks the record as it was written: process by process.
func (a *stationAudit) stations(c *Check) {
	known := map[string]bool{} // SHA-256 of modules
	for _, m := range a.t.Open().Modules {
		known[m.SHA256] = true
	}
	before := map[string]fingerprint.SHA256{}   // keys on record when the process began
	onRecord := map[string]fingerprint.SHA256{} // by now
	answered := map[string]fingerprint.SHA256{} // in this process
	names := map[int]transcript.ChallengeIntent{}
	var present []string
	acted, n := "", 0
	for l := range a.t.Acts() {
		switch r := l.Record.(type) {
		case transcript.Resumed:
			before, answered, present, acted = maps.Clone(onRecord), map[string]fingerprint.SHA256{}, nil, ""
		case transcript.Attendance:
			present = r.Present
		case transcript.Key:
			onRecord[r.Name] = r.SPKI
		case transcript.ChallengeIntent:
			if r.Clone == nil {
				names[l.Seq] = r
			}
		case transcript.Challenge:
			if intent, ok := names[r.Intent]; ok {
				answered[intent.Name] = intent.SPKI
			}
		case transcript.KeyIntent, transcript.Intent, transcript.CSRIntent, transcript.CRLIntent, transcript.SignatureIntent:
			acted = string(r.Type())
		case transcript.StationChanged:
			n++
			a.changed(c, l.Seq, r, known)
			a.agreed(c, l.Seq, r.By, present)
			if acted != "" {
				c.problem("line %d: another station file, and this process had acted by it before: %s", l.Seq, acted)
			}
			for _, name := range sortedKeys(before) {
				if answered[name] != before[name] {
					c.problem("line %d: another station file, and the %s key had not answered a challenge by it", l.Seq, name)
				}
			}
		}
	}
	c.Detail = phrase.Count(n, "change")
}

// changed tells of a change, and of modules that no line before names.
func (a *stationAudit) changed(c *Check, seq int, r transcript.StationChanged, known map[string]bool) {
	c.note("line %d: from here on with station file %s instead of %s, agreed by %s: %s", seq, r.Station, r.Former,
		strings.Join(r.By, ", "), r.Reason)
	for _, m := range r.Modules {
		if !known[m.SHA256] {
			c.note("line %d: a module that was not on record before: %s, SHA-256 %s", seq, m.Path, m.SHA256)
		}
		known[m.SHA256] = true
	}
}

// agreed wants those who agree to have been there, and to be two, with as many of
// those who approve among them as had to approve the plan.
func (a *stationAudit) agreed(c *Check, seq int, by, present []string) {
	open := a.t.Open()
	approve := 0
	for _, name := range by {
		i := slices.IndexFunc(open.People, func(p transcript.Person) bool { return p.Name == name })
		switch {
		case len(open.People) == 0:
		case i < 0:
			c.problem("line %d: %s agrees to another station file, but is not one of the plan's people", seq, name)
		case !slices.Contains(present, name):
			c.problem("line %d: %s agrees to another station file, but was not present", seq, name)
		case approval.Person(open.People[i]).Approves():
			approve++
		}
	}
	if approve < open.Threshold || len(by) < 2 && len(open.People) != 1 {
		c.problem("line %d: too few people agree to another station file: %s", seq, strings.Join(by, ", "))
	}
}
