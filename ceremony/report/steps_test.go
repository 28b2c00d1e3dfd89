package report_test

import (
	"math/big"
	"strings"
	"testing"
	"time"

	"officiant/ceremony"
	"officiant/ceremony/ceremonytest"
	"officiant/ceremony/history/historytest"
	"officiant/ceremony/plan"
	"officiant/ceremony/report"
	"officiant/ceremony/revocation"
	"officiant/ceremony/schedule"
	"officiant/ceremony/transcript"
)

// TestStepTitles: every step stands in the minutes by the title that the room saw,
// those that the record has no line for, too.
func TestStepTitles(t *testing.T) {
	f := ceremonytest.New(t, ceremonytest.Shape{})
	dir, _ := f.Run(t)
	cfg := f.Config(t, dir)
	steps, err := ceremony.Steps(cfg.Plan, cfg.Station)
	check(t, err)
	told := minutesOf(t, dir).Steps()
	if len(told) != len(steps) {
		t.Fatalf("%d steps in the minutes, %d in the room", len(told), len(steps))
	}
	for i, s := range steps {
		if told[i].Title != s.Title {
			t.Errorf("step %d is %q, the room saw %q", i+1, told[i].Title, s.Title)
		}
	}
}

// TestRevoked: each revoked certificate stands there, with what the plan says of it.
func TestRevoked(t *testing.T) {
	ca := historytest.Root(t, time.Now())
	r := historytest.Begin(t, time.Now(), transcript.Open{})
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	r.List("root", "root", ca.Revoke(t, 3, at, revocation.KeyCompromise.Code(), big.NewInt(0xabcdef), big.NewInt(0x1234)))
	record, err := transcript.Read("x", r.Unfinished())
	check(t, err)
	m := &report.Minutes{Record: record, Plan: &schedule.Ceremony{Plan: &plan.Plan{Revocations: []plan.Revocation{
		{Serial: plan.Serial{Int: big.NewInt(0xabcdef)}, Comment: "stolen with cp-2"},
	}}}}
	lists := m.Lists()
	if len(lists) != 1 || len(lists[0].Entries) != 2 || lists[0].Number != "3" {
		t.Fatalf("%+v", lists)
	}
	for _, e := range lists[0].Entries {
		if want := map[string]string{"abcdef": "stolen with cp-2", "1234": ""}[e.Serial]; e.Name != want {
			t.Errorf("%s: %q", e.Serial, e.Name)
		}
		if e.Reason != "keyCompromise" || !strings.HasPrefix(e.Since, "2026-03-04 05:06:07") {
			t.Errorf("%+v", e)
		}
	}
}
