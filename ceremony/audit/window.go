package audit

import "officiant/ceremony/transcript"

// window holds when the ceremony was begun, and gone on with, against when the plan
// lets it run.
func (a *planAudit) window(c *Check) {
	w := a.plan.Plan.Window
	for _, line := range a.t.Lines {
		switch line.Record.(type) {
		case transcript.Open, transcript.Resumed:
			late := !w.Until.IsZero() && line.Time.After(w.Until.Add(slack))
			if late || line.Time.Before(w.From.Time) {
				c.problem("%s:%d: the ceremony was at work at %s, and the plan lets it run %s",
					transcriptFile, line.Seq, stamp(line.Time), w)
			}
		}
	}
}

func (a *planAudit) hasWindow() bool {
	return a.plan != nil && (!a.plan.Plan.Window.From.IsZero() || !a.plan.Plan.Window.Until.IsZero())
}
