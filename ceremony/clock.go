package ceremony

import (
	"fmt"
	"time"

	"officiant/ceremony/schedule"
)

// sinceBuilt refuses a clock that stands before the program was built: the machine's
// battery is empty, say. Another machine's clock may have been a little ahead then.
func (r *run) sinceBuilt() error {
	if at := r.now(); at.Before(r.Built.Add(-backdate)) {
		return &Refused{[]string{fmt.Sprintf("the clock says %s, and this program was built at %s, from a source that "+
			"was not there before: set the clock", at.UTC().Format(time.RFC3339), r.Built.UTC().Format(time.RFC3339))}}
	}
	return nil
}

// inWindow refuses a clock that stands outside the time in which the plan may run.
func (r *run) inWindow() error {
	w, at := r.plan.Plan.Window, r.now()
	if w.Holds(at) {
		return nil
	}
	return &Refused{[]string{fmt.Sprintf("the clock says %s, and the plan lets the ceremony run %s: "+
		"set the clock if it is wrong, else have a plan with another window approved",
		at.UTC().Format(time.RFC3339), w)}}
}

// atWork is the present time by the record: that of its last line while a clock that
// was ahead has not caught up.
func (c *common) atWork() time.Time {
	if at := c.now(); at.After(c.progress.Last()) {
		return at
	}
	return c.progress.Last()
}

// bornExpired refuses to go on with certificates that would have ended before they
// are signed: the record began long ago, or by a clock that stood behind.
func (r *run) bornExpired() error {
	begins, at := r.progress.NotBefore, r.now()
	for e := range r.plan.All(schedule.AuthorityCertificate, schedule.LeafCertificate) {
		if r.progress.Issued(e.Name) {
			continue
		}
		if end := begins.Add(e.Duration); !end.After(at) {
			return &Refused{[]string{fmt.Sprintf("%s would have ended at %s, and the clock says %s: the record's "+
				"certificates begin at %s. Set the clock if it is wrong; if it was wrong when the ceremony began, "+
				"this ceremony cannot be finished: `officiant ceremony abandon DIR` closes it and destroys the "+
				"keys that it made, and the plan starts again in another directory",
				e.Name, end.UTC().Format(time.RFC3339), at.UTC().Format(time.RFC3339),
				begins.UTC().Format(time.RFC3339))}}
		}
	}
	return nil
}
