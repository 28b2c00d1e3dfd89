package update

import (
	"bytes"
	"fmt"
	"time"

	"officiant/bundle/statement"
)

var states = []statement.State{statement.Current, statement.Installed, statement.Waiting, statement.RolledBack,
	statement.Refused, statement.Absent, statement.Failed}

// Metrics renders the last run in Prometheus' text format, as node exporter's textfile
// collector reads it.
func (r *Runner) Metrics() []byte {
	var b bytes.Buffer
	family := func(name, help string) {
		fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name)
	}
	seconds := func(t time.Time) int64 {
		if t.IsZero() {
			return 0
		}
		return t.Unix()
	}
	m := &r.memory
	family("officiant_sync_run_timestamp_seconds", "When sync ran last, in seconds since 1970.")
	fmt.Fprintf(&b, "officiant_sync_run_timestamp_seconds %d\n", seconds(m.Ran))
	family("officiant_sync_verified_timestamp_seconds",
		"When this node's newest bundle was last read whole and verified, in seconds since 1970; 0: never.")
	fmt.Fprintf(&b, "officiant_sync_verified_timestamp_seconds %d\n", seconds(m.Verified))
	family("officiant_sync_verified_age_seconds", "How long ago that was when sync ran last; -1: never.")
	age := int64(-1)
	if !m.Verified.IsZero() {
		age = int64(m.Ran.Sub(m.Verified) / time.Second)
	}
	fmt.Fprintf(&b, "officiant_sync_verified_age_seconds %d\n", age)
	family("officiant_sync_outcome", "1 for what sync came to when it ran last.")
	for _, s := range states {
		fmt.Fprintf(&b, "officiant_sync_outcome{state=%q} %d\n", string(s), flag(s == m.Outcome.State))
	}
	family(
		"officiant_sync_rolled_back_sequence",
		"Sequence of the bundle that was rolled back and is not tried again; 0: none.",
	)
	sequence := 0
	if m.Failed != nil {
		sequence = m.Failed.Sequence
	}
	fmt.Fprintf(&b, "officiant_sync_rolled_back_sequence %d\n", sequence)
	family("officiant_sync_pending", "1 while a run that was interrupted waits to be gone on with.")
	fmt.Fprintf(&b, "officiant_sync_pending %d\n", flag(m.Pending != nil))
	return b.Bytes()
}

func flag(on bool) int {
	if on {
		return 1
	}
	return 0
}
