package audit

import "time"

// backdate is how long before the line that sets it certificates begin.
const backdate = 5 * time.Minute

// slack is what may lie between reading the clock and writing the line.
const slack = time.Minute

// begins holds the time from which certificates are valid against the line that
// says it: a little before it was written, or the beginning of the newest
// certificate that the plan names, which others may have made just then. What an
// external root's certificates set, span holds against the line received.
func (a *certificateAudit) begins(c *Check) {
	first := a.t.Lines[0]
	begin := a.t.Open().NotBefore
	latest := first.Time
	for _, cert := range a.plan.Issuers {
		if cert.NotBefore.After(latest) {
			latest = cert.NotBefore
		}
	}
	for _, cert := range a.plan.Certificates {
		if cert.NotBefore.After(latest) {
			latest = cert.NotBefore
		}
	}
	if early := first.Time.Add(-backdate - slack); begin.Before(early) || begin.After(latest) {
		c.problem(
			"%s:1: certificates are valid from %s, and the line is of %s: it has to be %s before, or when the newest "+
				"certificate that the plan names begins",
			transcriptFile,
			stamp(begin),
			stamp(first.Time),
			backdate,
		)
	}
}
