package audit

import (
	"slices"
	"strings"

	"officiant/ceremony/transcript"
)

// attended tells who was there, process by process, and wants what the room's
// policy refused to be waived by two of those. Names are what was said in the
// room. Records from before attendance was taken are told apart by having none.
func (a *peopleAudit) attended(c *Check) {
	var present []string
	over := false
	taken := slices.ContainsFunc(a.t.Lines,
		func(l transcript.Line) bool { return l.Record.Type() == transcript.Attendance{}.Type() })
	for _, l := range a.t.Lines {
		switch r := l.Record.(type) {
		case transcript.Resumed:
			present = nil
		case transcript.Attendance:
			present = r.Present
			c.note("line %d: present: %s", l.Seq, strings.Join(r.Present, ", "))
		case transcript.Deviation:
			for _, by := range r.By {
				if r.Waives != "" && taken && !slices.Contains(present, by) {
					c.problem("line %d: %s waives %s, and was not present", l.Seq, by, r.Waives)
				}
			}
		case transcript.Abandonment:
			over = true // it has its people's signatures, whoever types
		case transcript.Token, transcript.PINRefused:
			if taken && present == nil && !over {
				c.problem("line %d: %s, and this process had not taken attendance", l.Seq, r.Type())
				return
			}
		}
	}
	if !taken {
		c.note("attendance was not taken")
	}
}
