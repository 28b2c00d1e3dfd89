package audit_test

import (
	"crypto/rand"
	"os"
	"strings"
	"testing"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/bundle/sshsig"
	"officiant/ceremony/approval"
	"officiant/ceremony/audit"
	"officiant/ceremony/ceremonytest"
	"officiant/ceremony/transcript"
)

// approvedScene is a ceremony that two of three approved, with a witness.
func approvedScene(t testing.TB) *scene {
	t.Helper()
	s := &scene{safe: newSafe(), dir: t.TempDir() + "/ceremony"}
	s.fixture = ceremonytest.New(t, ceremonytest.Shape{People: []string{"alice officer", "bob officer", "kim administrator", "eve witness"}, Approvals: 2})
	s.fixture.NewSSH(t, "mallory")
	s.fixture.Approve(t, "alice", "bob")
	s.run(t)
	return s
}

func (s *scene) signed(person, namespace string, message []byte) []byte {
	return must(sshsig.Sign(rand.Reader, s.fixture.SSH[person], namespace, message))
}

func (s *scene) approval(t testing.TB, person string) []byte {
	digest := must(transcript.Read("x", s.read("transcript.jsonl"))).Open().Digest
	return s.signed(person, approval.PlanNamespace, approval.PlanMessage(digest))
}

func (s *scene) witness(t testing.TB, person string) []byte {
	return s.signed(person, approval.HeadNamespace, approval.HeadMessage(must(transcript.Read("x", s.read("transcript.jsonl"))).Head()))
}

func notes(r *audit.Report) string {
	var all []string
	for _, c := range r.Checks {
		all = append(all, c.Notes...)
	}
	return strings.Join(all, "\n")
}

func TestApprovedAndWitnessed(t *testing.T) {
	s := approvedScene(t)
	r := s.audit(t)
	for _, f := range r.Findings() {
		t.Error(f)
	}
	for _, want := range []string{"approved by alice, SHA256:", "approved by bob, SHA256:", "not witnessed by eve"} {
		if !strings.Contains(notes(r), want) {
			t.Errorf("no note %q in\n%s", want, notes(r))
		}
	}
	if r.People == nil {
		t.Error("the fingerprint of people is not shown")
	}
	s.write(t, "witnesses/eve.sig", s.witness(t, "eve"))
	r = s.audit(t)
	if len(r.Findings()) > 0 || !strings.Contains(notes(r), "\nwitnessed by eve, SHA256:") || strings.Join(r.Witnessed, " ") != "eve" {
		t.Errorf("%v\n%s", r.Findings(), notes(r))
	}

	other := fingerprint.Of([]byte("another"))
	for what, c := range map[string]struct {
		spoil func(s *scene)
		says  []string
	}{
		"an approval that was changed": {func(s *scene) {
			data := s.read("approvals/alice.sig")
			data[60] ^= 1
			s.write(t, "approvals/alice.sig", data)
		}, []string{"approvals/alice.sig: "}},
		"one that is gone": {func(s *scene) { must(0, os.Remove(s.path("approvals/bob.sig"))) }, []string{"approvals/", "of bob's approval on record"}},
		"one too few":      {func(s *scene) { must(0, os.Remove(s.path("approvals/bob.sig"))) }, []string{"1 of the 2 approvals that the plan asks for, by alice; not by bob, kim"}},
		"a later one":      {func(s *scene) { s.write(t, "approvals/kim.sig", s.approval(t, "kim")) }, []string{"approvals/kim.sig: the record does not have this approval by kim"}},
		"made again":       {func(s *scene) { s.write(t, "approvals/kim.sig", s.read("approvals/alice.sig")) }, []string{"approvals/kim.sig: is alice's approval, and has to be called alice.sig"}},
		"a stranger's":     {func(s *scene) { s.write(t, "approvals/kim.sig", s.approval(t, "mallory")) }, []string{"approvals/kim.sig: is by a key of nobody who may approve"}},
		"of another digest": {func(s *scene) {
			s.write(t, "approvals/kim.sig", s.signed("kim", approval.PlanNamespace, approval.PlanMessage(other)))
		}, []string{"approvals/kim.sig: is not an approval of this digest"}},
		"a witness's approval":  {func(s *scene) { s.write(t, "approvals/eve.sig", s.approval(t, "eve")) }, []string{"approvals/eve.sig: is by eve, a witness"}},
		"an officer as witness": {func(s *scene) { s.write(t, "witnesses/alice.sig", s.witness(t, "alice")) }, []string{"witnesses/alice.sig: is by alice, who is officer and not a witness"}},
		"a stranger as witness": {func(s *scene) { s.write(t, "witnesses/eve.sig", s.witness(t, "mallory")) }, []string{"witnesses/eve.sig: is by a key of nobody the plan names"}},
		"a witness of elsewhere": {func(s *scene) {
			s.write(t, "witnesses/eve.sig", s.signed("eve", approval.HeadNamespace, approval.HeadMessage(other)))
		}, []string{"witnesses/eve.sig: is not a signature over this record's head"}},
		"a witness twice": {func(s *scene) { s.write(t, "witnesses/eve-2.sig", s.witness(t, "eve")) }, []string{"witnesses/eve-2.sig: is by eve, and has to be called eve.sig"}},
		"something else":  {func(s *scene) { s.write(t, "witnesses/x", []byte("x")) }, []string{"witnesses/x: is not an SSH signature"}},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			spoilt := s.copy(t)
			c.spoil(spoilt)
			wantFinding(t, spoilt.audit(t), c.says...)
		})
	}
}

// TestForgedApprovals are records, signed by the release key, that say of people
// and approvals what is not so.
func TestForgedApprovals(t *testing.T) {
	s := approvedScene(t)
	for what, c := range map[string]struct {
		forge func(f *forger, open *transcript.Open)
		says  string
	}{
		"no people": {func(f *forger, o *transcript.Open) {
			attendance, _ := first(f, func(transcript.Attendance) bool { return true })
			f.drop(attendance)
			o.People, o.Threshold, o.Approvals = nil, 0, nil
		}, "transcript.jsonl:1: names other people, or another threshold, than plan.yaml"},
		"a lower threshold": {func(_ *forger, o *transcript.Open) { o.Threshold = 1 }, "transcript.jsonl:1: names other people, or another threshold"},
		"another key": {func(_ *forger, o *transcript.Open) {
			o.People = append([]transcript.Person{}, o.People...)
			o.People[0].Key = o.People[1].Key
		}, "transcript.jsonl:1: names other people"},
		"one approval left": {func(_ *forger, o *transcript.Open) { o.Approvals = o.Approvals[:1] }, "too few people approved: 1 of the 2 approvals that the plan asks for, by alice"},
		"the other's file":  {func(_ *forger, o *transcript.Open) { o.Approvals = o.Approvals[:1] }, "approvals/bob.sig: the record does not have this approval by bob"},
		"one approval twice": {func(_ *forger, o *transcript.Open) {
			o.Approvals = []transcript.Approval{o.Approvals[0], o.Approvals[0]}
		}, "transcript.jsonl:1: alice's approval stands there twice"},
		"a waiver by an absent": {func(f *forger, _ *transcript.Open) {
			look, _ := first(f, func(transcript.Preflight) bool { return true })
			change(f, func(r *transcript.Attendance) bool { r.Present = []string{"alice", "bob"}; return true })
			f.insert(look, transcript.Deviation{Text: "network: eth0 is up", By: []string{"alice", "kim"}, Waives: "network"})
		}, "kim waives network, and was not present"},
		"attendance later": {func(f *forger, _ *transcript.Open) {
			attendance, r := first(f, func(transcript.Attendance) bool { return true })
			end, _ := first(f, func(transcript.IssuingClosed) bool { return true })
			f.drop(attendance)
			f.insert(end, r)
		}, "token, and this process had not taken attendance"},
		"another person": {func(_ *forger, o *transcript.Open) {
			o.Approvals = append([]transcript.Approval{}, o.Approvals...)
			o.Approvals[1].Person = "kim"
		}, "says that approvals/bob.sig was signed by kim with"},
		"a stranger's, on record": {func(f *forger, o *transcript.Open) {
			sig := f.approval(f.t, "mallory")
			f.scene.write(f.t, "approvals/kim.sig", sig)
			o.Approvals = append(o.Approvals[:2:2], transcript.Approval{Person: "kim", Signature: fingerprint.Of(sig)})
		}, "approvals/kim.sig: is by a key of nobody who may approve"},
	} {
		t.Run(what, func(t *testing.T) {
			f := s.forge(t)
			change(f, func(o *transcript.Open) bool { c.forge(f, o); return true })
			if err := f.write(); err != nil {
				t.Fatal(err)
			}
			wantFinding(t, f.audit(t), c.says)
		})
	}
}

// TestOtherPeople shows that a second ceremony with other people is found wrong
// without the approval of the first one's.
func TestOtherPeople(t *testing.T) {
	one := approvedScene(t)
	two := one.nextWith(t, one.fixture.People(t, 1, "mallory officer"), "mallory", "alice", "kim")
	r := two.audit2(t, one)
	for _, f := range r.Findings() {
		t.Error(f)
	}
	f := two.forge(t)
	change(f, func(o *transcript.Open) bool {
		for _, a := range o.Approvals {
			if a.Person == "mallory" {
				o.Approvals = []transcript.Approval{a}
				return true
			}
		}
		return false
	})
	must(0, os.Remove(f.path("approvals/alice.sig")))
	must(0, os.Remove(f.path("approvals/kim.sig")))
	if err := f.write(); err != nil {
		t.Fatal(err)
	}
	wantFinding(t, f.audit2(t, one), "too few people approved: 0 of the 2 approvals that ceremony 1 of demo asks for; not by alice, bob, kim")
}

func (s *scene) audit2(t testing.TB, one *scene) *audit.Report {
	return s.auditWith(t, audit.Options{Now: time.Now(), Root: &one.result.Root, ReleaseKey: one.key("release").Public()})
}
