package ceremony_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"officiant/ceremony"
	"officiant/ceremony/ceremonytest"
	"officiant/ceremony/history"
	"officiant/ceremony/issue"
	"officiant/ceremony/schedule"
)

// scene is a plan that continues a ceremony which was held, on its way to a mistake.
type scene struct {
	*testing.T
	f     *ceremonytest.Fixture
	now   func() time.Time // of check and of run
	past  *history.Record  // that it continues
	after func(*ceremony.Config)
}

// change replaces the first of a text in the plan.
func (s *scene) change(old, new string) {
	s.Helper()
	text, err := os.ReadFile(s.f.PlanFile)
	must(s.T, err)
	if !strings.Contains(string(text), old) {
		s.Fatalf("no %q in\n%s", old, text)
	}
	must(s.T, os.WriteFile(s.f.PlanFile, []byte(strings.Replace(string(text), old, new, 1)), 0o644))
}

// line is the plan's line with a text in it.
func (s *scene) line(with string) string {
	s.Helper()
	text, err := os.ReadFile(s.f.PlanFile)
	must(s.T, err)
	for _, l := range strings.Split(string(text), "\n") {
		if strings.Contains(l, with) {
			return l
		}
	}
	s.Fatalf("no line with %q", with)
	return ""
}

// record changes the copy of the record that the plan continues. A run that judged the
// true one before it was changed finds it so.
func (s *scene) record(change func([]byte) []byte) {
	s.Helper()
	const name = "before/transcript.jsonl"
	whole, err := os.ReadFile(filepath.Join(s.f.Folder, name))
	must(s.T, err)
	put(s.T, filepath.Join(s.f.Folder, name), string(change(bytes.Clone(whole))))
	s.after = func(*ceremony.Config) {}
}

// recordCase is one refusal of a run that stems from what is on record.
type recordCase struct {
	spoil func(*scene)
	says  []string // in check's, approve's and run's words
	run   string   // instead of says, where a run meets it as something else
	warns bool     // check tells it as a warning, for a plan is checked before its day
	by    string   // the test that has it instead
}

// changedSince is how a run meets a record that was changed after it had read the plan.
const changedSince = "before/transcript.jsonl: it was changed since the plan was read"

var onRecord = map[string]recordCase{
	"clock": {spoil: func(s *scene) {
		early := s.past.Ended.Add(-time.Millisecond)
		s.now = func() time.Time { return early }
	}, says: []string{"the clock says", "ended at", "set the clock"}},
	"altered": {spoil: func(s *scene) {
		s.record(func(b []byte) []byte { return bytes.Replace(b, []byte(`"title":"Look`), []byte(`"title":"look`), 1) })
	}, says: []string{"prev is not the hash of the line before"}, run: changedSince},
	"cut": {spoil: func(s *scene) {
		s.record(func(b []byte) []byte { return b[:bytes.LastIndexByte(b[:len(b)-1], '\n')+1] })
	}, says: []string{"the last line of before/transcript.jsonl has SHA-256"}, run: changedSince},
	"another record": {spoil: func(s *scene) {
		s.record(func(b []byte) []byte {
			return bytes.Replace(b, []byte(`"cluster":"demo"`), []byte(`"cluster":"dema"`), 1)
		})
	}, says: []string{"prev is not the hash of the line before"}, run: changedSince},
	"evidence": {spoil: func(s *scene) {
		l := s.line("name: kubernetes,")
		s.change(l, strings.Replace(l, ", evidence: software", "", 1))
	}, says: []string{"the plan asks for evidence", "kubernetes key"},
		run: `asks for evidence "consistent" of the kubernetes key`},
	"name": {spoil: func(s *scene) {
		root, _ := s.past.Opening("root")
		s.change("{name: root,", fmt.Sprintf("{name: root, key: {existing: %s}, evidence: software,", root.SPKI))
		s.change(s.line("name: etcd,"), "  - {name: etcd, key: {create: ECDSA-P256}, evidence: software}")
	}, says: []string{"the plan creates the etcd key, but"}},
	"one key": {spoil: func(s *scene) {
		_, one, _ := strings.Cut(s.line("name: kubernetes,"), "existing: ")
		_, other, _ := strings.Cut(s.line("name: etcd,"), "existing: ")
		s.change(other[:64], one[:64])
	}, says: []string{"the key of before/"}},
	"another key": {spoil: func(s *scene) {
		_, one, _ := strings.Cut(s.line("name: kubernetes,"), "existing: ")
		s.change(one[:64], strings.Repeat("1", 64))
	}, says: []string{"the key of before/"}},
	"window": {spoil: func(s *scene) {
		s.change("nodes:\n", "window: {until: \"2026-01-01T00:00:00Z\"}\nnodes:\n")
	}, says: []string{"the clock says"}, warns: true, run: "the plan lets the ceremony run"},
	"approvals": {by: "TestApprovals"},
	"continued": {by: "TestContinuedTwice"},
}

// TestCheckRefusesWhatRunWould: what a run refuses before it makes a key because of what
// is on record, check and approve refuse for the same reason: nobody learns it in the
// room. TestEveryRefusalBeforeKeys holds that no refusal of a run is missing here. What a
// run refuses of a sealed pair, TestCarriedAccount has, and schedule's tests of the same.
func TestCheckRefusesWhatRunWould(t *testing.T) {
	f := ceremonytest.New(t, ceremonytest.Shape{})
	first, err := os.ReadFile(f.PlanFile)
	must(t, err)
	succeed(t, f, string(first))
	plan, err := os.ReadFile(f.PlanFile)
	must(t, err)
	record, err := os.ReadFile(filepath.Join(f.Folder, "before", "transcript.jsonl"))
	must(t, err)
	past, err := history.Read(history.Text("before", record))
	must(t, err)
	for name, c := range onRecord {
		if c.by != "" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			must(t, os.WriteFile(f.PlanFile, plan, 0o644))
			put(t, filepath.Join(f.Folder, "before", "transcript.jsonl"), string(record))
			s := &scene{T: t, f: f, now: time.Now, past: past}
			if _, err := s.checked(false); err != nil {
				t.Fatalf("nothing is wrong yet: %v", err)
			}
			cfg := f.Config(t, filepath.Join(t.TempDir(), "ceremony"))
			c.spoil(s)
			found, err := s.checked(false)
			said := fmt.Sprint(err)
			if c.warns && err == nil {
				said = fmt.Sprint(found.Warnings)
			}
			contains(t, "check", said, c.says...)
			// What is refused in a plan, a run meets only when it was approved before that.
			judged, err := s.checked(true)
			switch cfg.Now = s.now; {
			case s.after != nil: // the record was changed after that
				s.after(&cfg)
				_, err = ceremony.Run(context.Background(), cfg)
			case err == nil:
				cfg.Plan = judged
				_, err = ceremony.Run(context.Background(), cfg)
			}
			if c.run != "" {
				c.says = []string{c.run}
			}
			contains(t, "run", fmt.Sprint(err), c.says...)
		})
	}
}

// checked does what check and approve do before they say that nothing is wrong.
func (s *scene) checked(held bool) (*schedule.Ceremony, error) {
	c, err := schedule.Open(s.f.PlanFile, schedule.Options{Now: s.now(), Held: held})
	if err != nil {
		return nil, err
	}
	return c, ceremony.DryRun(issue.NewChecker(rand.Reader), c, s.now().UTC().Truncate(1e9), rand.Reader)
}

func contains(t *testing.T, who, text string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(text, w) {
			t.Errorf("%s does not say %q:\n%s", who, w, text)
		}
	}
}
