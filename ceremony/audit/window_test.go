package audit_test

import (
	"path/filepath"
	"testing"
	"time"

	"officiant/ceremony/ceremonytest"
)

// TestForgedWindow: a ceremony that another program conducted outside the time in
// which its plan lets it run is found.
func TestForgedWindow(t *testing.T) {
	at := func(d time.Duration) string { return time.Now().Add(d).UTC().Format("2006-01-02T15:04:05Z") }
	s := &scene{fixture: ceremonytest.New(t, ceremonytest.Shape{}), safe: newSafe(),
		dir: filepath.Join(t.TempDir(), "ceremony")}
	s.fixture.Append(t, "window: {from: "+at(-time.Hour)+", until: "+at(time.Hour)+"}\n")
	s.run(t)
	if r := s.audit(t); len(r.Findings()) > 0 {
		t.Fatalf("findings within the window: %v", r.Findings())
	}
	f := s.forge(t)
	for _, a := range f.acts {
		a.at = a.at.Add(2 * time.Hour)
	}
	if err := f.write(); err != nil {
		t.Fatal(err)
	}
	wantFinding(t, f.audit(t), "the ceremony was at work at", "the plan lets it run from")
}
