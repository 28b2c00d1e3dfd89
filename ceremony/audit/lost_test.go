package audit_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"officiant/ceremony/audit"
	"officiant/ceremony/transcript"
)

// lost carries out a ceremony that begins demo's chain anew with the keys of another,
// whose records are not named.
func (s *scene) lost(t testing.TB) *scene {
	t.Helper()
	list := regexp.MustCompile(`(?m)^previous:\n  - .*\n`)
	s.edit = func(plan string) string {
		plan = list.ReplaceAllString(plan, "previous: {lost: {sequence: 4, reason: the safe burned}}\n")
		return strings.Replace(plan, "serviceAccount: {sealed: before/sa.key.age, public: before/sa.pub}", "serviceAccount: {create: ECDSA-P256}", 1)
	}
	return s.next(t)
}

// A chain that begins anew is verified as such, and says so each time.
func TestLost(t *testing.T) {
	one := perform(t)
	anew := one.lost(t)
	r := anew.auditWith(t, audit.Options{Now: time.Now(), Root: &one.result.Root, ReleaseKey: one.key("release").Public()})
	for _, f := range r.Findings() {
		t.Error(f)
	}
	if r.Sequence != 5 || r.Verdict() != audit.Verified {
		t.Errorf("sequence %d, verdict %q", r.Sequence, r.Verdict())
	}
	said := false
	for _, c := range r.Checks {
		for _, note := range c.Notes {
			said = said || strings.Contains(note, "the chain begins anew: the records of ceremonies 1 to 4 are lost, reason: the safe burned")
		}
	}
	if !said {
		t.Errorf("nobody is told that records are lost: %+v", r.Checks)
	}
	t.Run("records that are there after all", func(t *testing.T) {
		wantFinding(t, anew.auditWith(t, audit.Options{Now: time.Now(), Previous: []string{one.dir}}), "no ceremony here continues it")
	})
	for what, c := range map[string]struct {
		forge func(r *transcript.Open)
		says  string
	}{
		"another reason":         {func(r *transcript.Open) { r.Lost = &transcript.Lost{Sequence: 4, Reason: "a flood"} }, "says of lost records what plan.yaml does not"},
		"nothing said":           {func(r *transcript.Open) { r.Lost = nil }, "says of lost records what plan.yaml does not"},
		"the first of its chain": {func(r *transcript.Open) { r.Lost, r.Sequence = nil, 1 }, "sequence is 1, after its predecessors it has to be 5"},
		"fewer than the plan has": {func(r *transcript.Open) {
			r.Lost, r.Sequence = &transcript.Lost{Sequence: 1, Reason: "the safe burned"}, 2
		}, "has to be 5"},
	} {
		t.Run(what, func(t *testing.T) {
			f := anew.forge(t)
			change(f, func(r *transcript.Open) bool { c.forge(r); return true })
			if err := f.write(); err != nil {
				t.Fatal(err)
			}
			wantFinding(t, f.auditWith(t, audit.Options{Now: time.Now(), ReleaseKey: f.release.Public()}), c.says)
		})
	}
	t.Run("lost in the record alone", func(t *testing.T) {
		f := one.forge(t)
		change(f, func(r *transcript.Open) bool {
			r.Lost, r.Sequence = &transcript.Lost{Sequence: 1, Reason: "fire"}, 2
			return true
		})
		if err := f.write(); err != nil {
			t.Fatal(err)
		}
		wantFinding(t, f.auditWith(t, audit.Options{Now: time.Now(), ReleaseKey: f.release.Public()}), "says of lost records what plan.yaml does not")
	})
}
