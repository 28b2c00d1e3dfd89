package ceremony_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"officiant/bundle/durable"
	"officiant/ceremony"
	"officiant/ceremony/audit"
	"officiant/ceremony/ceremonytest"
	"officiant/ceremony/transcript"
)

// attending is a ceremony of two officers, an administrator and a witness.
func attending(t *testing.T) *ceremonytest.Fixture {
	f := ceremonytest.New(t, ceremonytest.Shape{People: []string{"alice officer", "bob officer", "kim administrator", "eve witness"}, Approvals: 2})
	f.Approve(t, "alice", "bob")
	return f
}

// TestAttendance: nothing begins without those who may conduct, or with others
// than the plan's people; who is here is on record, of each process.
func TestAttendance(t *testing.T) {
	f := attending(t)
	dir := filepath.Join(t.TempDir(), "ceremony")
	for what, c := range map[string]struct {
		present []string
		waive   ceremony.Waiver
		says    string
	}{
		"nobody":          {nil, ceremony.Waiver{}, "nobody is present who may conduct: one of alice, bob, kim"},
		"a witness alone": {[]string{"eve"}, ceremony.Waiver{}, "nobody is present who may conduct"},
		"a stranger": {[]string{"kim", "mallory"}, ceremony.Waiver{},
			`"mallory" is present and is not one of the plan's people: alice, bob, kim, eve`},
		"somebody twice": {[]string{"kim", "kim"}, ceremony.Waiver{}, "kim is present twice"},
		"a stranger's waiver": {[]string{"kim", "eve"}, ceremony.Waiver{Checks: []string{"network"}, Reason: "why",
			By: []string{"kim", "mallory"}}, `"mallory" waives a check of the room and is not one of the plan's ` +
			`people`},
		"one who is absent": {[]string{"kim", "eve"}, ceremony.Waiver{Checks: []string{"network"}, Reason: "why",
			By: []string{"kim", "bob"}},
			"bob waives a check of the room, and is not present"},
	} {
		cfg := f.Config(t, dir)
		cfg.Present, cfg.Waive = c.present, c.waive
		_, err := ceremony.Run(context.Background(), cfg)
		if _, ok := errors.AsType[*ceremony.Refused](err); !ok || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", what, err)
		}
		if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: wrote something: %v", what, err)
		}
	}
	cfg := f.Config(t, dir)
	cfg.Present = []string{"eve", "kim"}
	if _, err := ceremony.Run(context.Background(), mortal(cfg, &killer{at: 60})); !errors.Is(err, errKilled) {
		t.Fatal(err)
	}
	cfg = f.Config(t, dir)
	cfg.Present = []string{"alice"}
	if _, err := ceremony.Run(context.Background(), cfg); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, l := range readRecord(t, dir).Lines {
		if r, ok := l.Record.(transcript.Attendance); ok {
			got = append(got, strings.Join(r.Present, " "))
		}
	}
	if want := []string{"kim eve", "alice"}; !slices.Equal(got, want) {
		t.Errorf("on record are %q, want %q", got, want)
	}
	// Where the plan names nobody, nobody of them is present.
	f = ceremonytest.New(t, ceremonytest.Shape{})
	cfg = f.Config(t, filepath.Join(t.TempDir(), "ceremony"))
	cfg.Present = []string{"kim"}
	if _, err := ceremony.Run(context.Background(), cfg); err == nil || !strings.Contains(err.Error(), "the plan names no people") {
		t.Errorf("present of nobody: %v", err)
	}
}

// TestDictated: while a ceremony is paused, people add notes and deviations to its
// record; it goes on after them, and an audit tells of them.
func TestDictated(t *testing.T) {
	f := attending(t)
	dir := filepath.Join(t.TempDir(), "ceremony")
	say := func(text string, deviation bool, by ...string) error {
		_, err := ceremony.Dictate(ceremony.Dictation{
			Dir: dir, Disk: &durable.Disk{}, Now: f.Config(t, dir).Now, Program: transcript.Program{Version: "test"},
			Host: transcript.Host{Interfaces: []string{}}, Deviation: deviation, Text: text, By: by,
		})
		return err
	}
	if err := say("too early", false, "kim"); err == nil {
		t.Error("a note to a ceremony that is not there")
	}
	ctx, stop := context.WithCancel(context.Background())
	cfg := f.Config(t, dir)
	cfg.Observer = &stepping{Observer: cfg.Observer, do: func(n int) {
		if n == 6 {
			stop() // as Ctrl-C does
		}
	}}
	cfg.Why = func() string { return "the fire alarm" }
	var stopped *ceremony.Interrupted
	if _, err := ceremony.Run(ctx, cfg); !errors.As(err, &stopped) {
		t.Fatal(err)
	}
	if record := readRecord(t, dir); stopped.Head != record.Head() || record.Lines[len(record.Lines)-1].Record != (transcript.Note{Text: "the fire alarm"}) {
		t.Errorf("the record ends with %+v", record.Lines[len(record.Lines)-1])
	}
	for what, err := range map[string]error{
		`"mallory" is not one of the plan's people`:     say("x", false, "mallory"),
		"kim is named twice":                            say("x", true, "kim", "kim"),
		"a deviation needs the agreement of two people": say("x", true, "kim"),
	} {
		if _, ok := errors.AsType[*ceremony.Refused](err); !ok || !strings.Contains(err.Error(), what) {
			t.Errorf("want %s: %v", what, err)
		}
	}
	if err := say("the light blinked twice", false, "eve"); err != nil {
		t.Fatal(err)
	}
	if err := say("bag 7 in place of bag 6", true, "kim", "alice"); err != nil {
		t.Fatal(err)
	}
	if _, err := ceremony.Run(context.Background(), f.Config(t, dir)); err != nil { // its last step is the audit
		t.Fatal(err)
	}
	if err := say("too late", false, "kim"); err == nil || !strings.Contains(err.Error(), "the record is closed") {
		t.Errorf("a note to a closed record: %v", err)
	}
	report, err := audit.Verify(dir, audit.Options{})
	if err != nil || len(report.Findings()) > 0 {
		t.Fatal(err, report.Findings())
	}
	for _, want := range []string{"dictated: the fire alarm", "dictated by eve: the light blinked twice", "deviation, agreed by [kim alice]: bag 7 in place of bag 6"} {
		if !slices.ContainsFunc(report.Checks[0].Notes, func(n string) bool { return strings.Contains(n, want) }) {
			t.Errorf("the audit does not tell %q but %q", want, report.Checks[0].Notes)
		}
	}
}

// stepping does something when a step begins.
type stepping struct {
	ceremony.Observer
	do func(n int)
}

func (s *stepping) Step(n, of int, title string) {
	s.do(n)
	s.Observer.Step(n, of, title)
}
