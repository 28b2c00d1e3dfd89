package ceremony_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"officiant/ceremony"
	"officiant/ceremony/audit"
	"officiant/ceremony/ceremonytest"
	"officiant/ceremony/schedule"
	"officiant/ceremony/transcript"
)

// rehearse carries a fixture's plan out as a rehearsal, on its own tokens.
func rehearse(t *testing.T, f *ceremonytest.Fixture, dir string) error {
	t.Helper()
	cfg := f.Config(t, dir)
	cfg.Rehearsal = map[string]string{}
	rehearsed, err := cfg.Plan.Rehearsal()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range rehearsed.KeysNeeded() {
		ref, err := cfg.Station.Ref("demo", name)
		if err != nil {
			t.Fatal(err)
		}
		cfg.Rehearsal[name] = ref.URI
	}
	_, err = ceremony.Run(t.Context(), cfg)
	return err
}

// TestRehearsal: the record of a rehearsal holds together, as a rehearsal and as
// nothing else, and neither kind goes on with the other.
func TestRehearsal(t *testing.T) {
	f := ceremonytest.New(t, ceremonytest.Shape{Workers: 1, Appliances: 1, People: []string{"alice officer", "bob officer"}, Approvals: 2})
	dir := filepath.Join(t.TempDir(), "ceremony")
	f.Approve(t, "alice") // one of two
	if err := rehearse(t, f, dir); err != nil {
		t.Fatal(err)
	}
	open := readRecord(t, dir).Open()
	if !open.Rehearsal || len(open.Approvals) != 1 || open.Threshold != 2 || open.Digest != f.Config(t, dir).Plan.Digest {
		t.Errorf("the record begins with %+v", open)
	}
	for _, c := range readRecord(t, dir).Certificates() {
		life := c.Certificate.NotAfter.Sub(c.Certificate.NotBefore)
		switch cn := c.Certificate.Subject.CommonName; {
		case c.Certificate.IsCA && !strings.HasPrefix(cn, schedule.RehearsalMark):
			t.Errorf("authority %s is not marked", cn)
		case !c.Certificate.IsCA && life > 24*time.Hour:
			t.Errorf("%s lives for %s", c.Name, life)
		}
	}
	for want, o := range map[string]audit.Options{
		"":                          {Rehearsal: true},
		"nothing in it may be used": {},
	} {
		found := findings(t, dir, o)
		if (want == "") != (found == "") || !strings.Contains(found, want) || strings.Contains(found, "\n") {
			t.Errorf("verified with %+v: %q, want %q", o, found, want)
		}
	}
	f.Approve(t, "alice", "bob")
	if _, err := ceremony.Run(t.Context(), f.Config(t, dir)); !isRefused(err) || !strings.Contains(err.Error(), "holds a rehearsal") {
		t.Errorf("a ceremony goes on with it: %v", err)
	}
	f.Tokens(t)
	real, _ := f.Run(t)
	if err := rehearse(t, f, real); !isRefused(err) || !strings.Contains(err.Error(), "a real ceremony") {
		t.Errorf("a rehearsal goes on with a ceremony: %v", err)
	}
	if found := findings(t, real, audit.Options{Rehearsal: true}); !strings.Contains(found, "was no rehearsal") {
		t.Errorf("a ceremony passes for a rehearsal: %q", found)
	}
}

func findings(t *testing.T, dir string, o audit.Options) string {
	t.Helper()
	report, err := audit.Verify(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(report.Findings(), "\n")
}

func isRefused(err error) bool {
	var refused *ceremony.Refused
	return errors.As(err, &refused)
}

// TestRehearsedOnTheWay: what an interrupted rehearsal left, it goes on with.
func TestRehearsedOnTheWay(t *testing.T) {
	f := ceremonytest.New(t, ceremonytest.Shape{})
	dir := filepath.Join(t.TempDir(), "ceremony")
	r := newReader(t, f) // the root's token is not in
	if err := rehearse(t, f, dir); err == nil {
		t.Fatal("no token was missed")
	}
	r.in("root")
	if err := rehearse(t, f, dir); err != nil {
		t.Fatal(err)
	}
	resumed := 0
	for _, l := range readRecord(t, dir).Lines {
		if _, ok := l.Record.(transcript.Resumed); ok {
			resumed++
		}
	}
	if resumed != 1 {
		t.Errorf("resumed %d times", resumed)
	}
}
