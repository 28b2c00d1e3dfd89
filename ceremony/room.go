package ceremony

import (
	"context"
	"slices"
	"strings"
	"time"

	"officiant/bundle/phrase"
	"officiant/ceremony/preflight"
	"officiant/ceremony/transcript"
)

// Waiver lets a ceremony continue although checks of the room refuse it.
type Waiver struct {
	Checks []string // by name
	Reason string
	By     []string // two people or more
}

// lookAtRoom puts on record what the room looks like. It refuses what the
// station's policy does and nobody waives, before a token is opened. A resumed
// ceremony is looked at again: the room may be another one.
func (r *run) lookAtRoom(ctx context.Context) error {
	if r.progress.Closed {
		return nil
	}
	var former time.Time
	for _, last := range r.plan.Past.Ends() {
		if last.Ended.After(former) {
			former = last.Ended
		}
	}
	results, err := r.Look(ctx, former)
	if err != nil {
		return err
	}
	seen := transcript.Preflight{Checks: []transcript.RoomCheck{}}
	var waived []transcript.Record
	var reasons, recorded []string
	for _, c := range results {
		check := transcript.RoomCheck{Name: c.Name, Seen: c.Seen, Wrong: c.Wrong, Level: string(c.Level)}
		for _, f := range c.Files {
			check.Files = append(check.Files, transcript.File(f))
		}
		seen.Checks = append(seen.Checks, check)
		switch what := c.Name + ": " + c.Wrong; {
		case c.Wrong == "":
		case c.Refused() && slices.Contains(r.Waive.Checks, c.Name):
			r.observer.Say("waived by " + phrase.List(r.Waive.By) + ": " + what)
			waived = append(waived, transcript.Deviation{Text: what + ": " + r.Waive.Reason, By: r.Waive.By, Waives: c.Name})
		case c.Refused():
			reasons = append(reasons, what)
		case c.Level == preflight.Warn:
			r.observer.Say("warning: " + what)
		default:
			recorded = append(recorded, c.Name)
		}
	}
	if len(recorded) > 0 {
		r.observer.Say("this machine differs from a proper room; on record: " + strings.Join(recorded, ", ") +
			" (officiant doctor explains each)")
	}
	if _, err := r.progress.Record(append([]transcript.Record{seen}, waived...)...); err != nil {
		return err
	}
	if len(reasons) > 0 {
		return &Missing{&Refused{append(reasons, "by the station's preflight policy; correct it, or let two people "+
			"waive it")}, AWaiver, nil}
	}
	return nil
}
