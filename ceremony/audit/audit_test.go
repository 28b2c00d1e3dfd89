package audit_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"slices"
	"strings"
	"testing"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/audit"
)

func TestFinishedCeremonyVerifies(t *testing.T) {
	s := perform(t)
	r := s.audit(t)
	for _, f := range r.Findings() {
		t.Error(f)
	}
	if r.Verdict() != audit.Verified || !r.Pinned || !r.RootPinned || !r.ReleasePinned {
		t.Errorf("verdict %q, pinned %t", r.Verdict(), r.Pinned)
	}
	for _, c := range r.Checks {
		if c.Skipped != "" {
			t.Errorf("%s: %s", c.Name, c.Skipped)
		}
	}
	if got := r.Summary(); strings.Contains(got, "\n") || !strings.HasPrefix(got, "ceremony demo-1: verified; ") ||
		!strings.HasSuffix(got, "no finding") {
		t.Errorf("summary %q", got)
	}
	if r.Bundles != 2 || *r.Head != s.result.Head || *r.Root != s.result.Root || *r.Release != s.result.Release {
		t.Errorf("%+v", r)
	}
	t.Run("without a pin", func(t *testing.T) {
		if r := s.auditWith(
			t,
			audit.Options{Now: time.Now()},
		); r.Verdict() != audit.Unpinned || r.Pinned ||
			len(r.Findings()) > 0 {
			t.Errorf("verdict %q, findings %q", r.Verdict(), r.Findings())
		}
	})
	t.Run("with either pin", func(t *testing.T) {
		if r := s.auditWith(t, audit.Options{Root: &s.result.Root}); r.Verdict() != audit.RootAlone || r.ReleasePinned {
			t.Errorf("root: %q %q", r.Verdict(), r.Findings())
		}
		if r := s.auditWith(
			t,
			audit.Options{ReleaseKey: s.key("release").Public()},
		); r.Verdict() != audit.Verified ||
			r.RootPinned {
			t.Errorf("release key: %q %q", r.Verdict(), r.Findings())
		}
	})
	t.Run("with another pin", func(t *testing.T) {
		other := fingerprint.Of(nil)
		r := s.auditWith(t, audit.Options{Root: &other})
		wantFinding(t, r, "root certificate", other.String())
		key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
		r = s.auditWith(t, audit.Options{Root: &s.result.Root, ReleaseKey: key.Public()})
		wantFinding(t, r, "release key is", "pinned is")
		if r.Pinned {
			t.Error("pinned although one pin differs")
		}
	})
	t.Run("years later", func(t *testing.T) {
		if r := s.auditWith(
			t,
			audit.Options{ReleaseKey: s.key("release").Public(), Now: time.Now().AddDate(30, 0, 0)},
		); r.Verdict() != audit.Verified {
			t.Errorf("verdict %q, findings %q", r.Verdict(), r.Findings())
		}
	})
}

// TestProgressOfLongChecks: each of the long checks tells when it is through.
func TestProgressOfLongChecks(t *testing.T) {
	s := perform(t)
	through := make(chan int, 100)
	s.auditWith(t, audit.Options{Progress: func(done, of int) {
		if done == of {
			through <- of
		}
	}})
	close(through)
	var all []int
	for of := range through {
		all = append(all, of)
	}
	// Of the files, those of both bundles were looked through with them.
	beside := 0
	for _, f := range s.files(t) {
		if !strings.HasPrefix(f, "bundles/") {
			beside++
		}
	}
	if len(all) < 3 || !slices.Contains(all, 17) || !slices.Contains(all, beside) {
		t.Errorf("through were %v; there are 17 certificates and %d files beside bundles", all, beside)
	}
}
