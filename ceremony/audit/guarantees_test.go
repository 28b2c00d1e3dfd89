package audit_test

import (
	"bytes"
	"crypto/x509"
	"testing"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/audit"
	"officiant/ceremony/transcript"
)

func verdictOn(t *testing.T, r *audit.Report, number int) audit.Verdict {
	t.Helper()
	for _, g := range r.Guarantees() {
		if g.Number == number {
			return g.Verdict
		}
	}
	t.Fatalf("no verdict on guarantee %d", number)
	return ""
}

// TestVerdictOnEachGuarantee breaks each guarantee that a directory can bear out,
// and wants the verdict on it, of all others, to say so.
func TestVerdictOnEachGuarantee(t *testing.T) {
	whole := perform(t)
	for _, g := range whole.audit(t).Guarantees() {
		if g.Verdict != audit.Holds {
			t.Errorf("guarantee %d, %s: %s", g.Number, g.Text, g.Verdict)
		}
	}
	for number, forge := range map[int]func(f *forger){
		1: func(f *forger) {
			before, _ := first(f, func(transcript.IssuingClosed) bool { return true })
			tbs, der := stranger(f)
			f.insert(before, transcript.Intent{Entry: 99, Name: "backdoor", Signer: "kubernetes", TBS: tbs}, transcript.Issued{Certificate: der})
		},
		2: func(f *forger) {
			look, r := first(f, func(transcript.Preflight) bool { return true })
			end, _ := first(f, func(transcript.IssuingClosed) bool { return true })
			f.drop(look)
			f.insert(end, r)
		},
		3: func(f *forger) {
			f.reissue("worker-1/kubelet.conf", func(template, parent *x509.Certificate) []byte {
				return altered("kubernetes", func(c *x509.Certificate) { c.NotAfter = c.NotAfter.Add(time.Hour) })(f, template, parent)
			})
		},
		4: func(f *forger) {
			change(f, func(r *transcript.Challenge) bool { r.Signature = bytes.Repeat([]byte{1}, 70); return true })
		},
		7: func(f *forger) {
			change(f, func(r *transcript.Sealed) bool { r.Recipients = append(r.Recipients, "age1stranger"); return true })
		},
	} {
		f := whole.forge(t)
		forge(f)
		if err := f.write(); err != nil {
			t.Fatal(err)
		}
		if v := verdictOn(t, f.audit(t), number); v != audit.Broken {
			t.Errorf("guarantee %d: %s\n%q", number, v, f.audit(t).Findings())
		}
	}
	s := whole.copy(t)
	s.write(t, "transcript.sig", s.read("bundles/cp-1/SHA256SUMS.sig"))
	if v := verdictOn(t, s.audit(t), 8); v != audit.Broken {
		t.Errorf("guarantee 8: %s", v)
	}
	data := whole.read("transcript.jsonl")
	s.write(t, "transcript.jsonl", data[:len(data)/2])
	for _, g := range s.audit(t).Guarantees() {
		if g.Verdict != audit.NotChecked && g.Number != 4 {
			t.Errorf("unfinished: guarantee %d: %s", g.Number, g.Verdict)
		}
	}
}

// TestPeoplePinned holds people against a fingerprint from elsewhere: their own, or
// that of those they follow; nobody else's, and not where there are none.
func TestPeoplePinned(t *testing.T) {
	one := approvedScene(t)
	first := *one.audit(t).People
	two := one.nextWith(t, one.fixture.People(t, 1, "mallory officer"), "mallory", "alice", "kim")
	other := fingerprint.Of([]byte("others"))
	for what, c := range map[string]struct {
		dir    *scene
		pinned fingerprint.SHA256
		says   string
	}{
		"their own":          {one, first, ""},
		"those they follow":  {two, first, ""},
		"others":             {one, other, "plan.yaml: its people are " + first.String() + ", pinned is " + other.String()},
		"followed by others": {two, other, "plan.yaml: its people are "},
		"nobody":             {perform(t), first, "plan.yaml: names no people, pinned is " + first.String()},
	} {
		r := c.dir.auditWith(t, audit.Options{Now: time.Now(), People: &c.pinned})
		if c.says != "" {
			wantFinding(t, r, c.says)
		}
		if good := c.says == ""; r.PeoplePinned != good || good && r.Verdict() != audit.Unpinned {
			t.Errorf("%s: pinned %t, %s, %q", what, r.PeoplePinned, r.Verdict(), r.Findings())
		}
	}
}
