package schedule

import (
	"time"

	"officiant/ceremony/plan"
)

// windowOf looks at when the plan may be carried out. That it cannot be now is told
// and not refused: plans are checked before their day, and looked at after it.
func windowOf(b base) {
	w := b.p.Window
	switch {
	case w == plan.Window{}:
	case !w.Until.IsZero() && !w.Until.After(w.From.Time):
		b.Refuse(plan.At{"window"}, "the window ends at %s, before it begins", w.Until)
	case b.held || b.now.IsZero() || w.Holds(b.now):
	case b.now.Before(w.From.Time):
		b.Warn(plan.At{"window"}, "the ceremony cannot run yet: the plan lets it run %s", w)
	default:
		b.Warn(plan.At{"window"}, "the ceremony can run no more: the plan let it run %s, and the clock says %s",
			w, b.now.UTC().Format(time.RFC3339))
	}
}
