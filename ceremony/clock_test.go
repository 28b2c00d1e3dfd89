package ceremony_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"officiant/ceremony"
	"officiant/ceremony/ceremonytest"
	"officiant/ceremony/transcript"
)

// by is a clock that is ahead of the real one.
func by(ahead time.Duration) func() time.Time {
	return func() time.Time { return time.Now().Add(ahead) }
}

// stopped runs a ceremony with a clock that is ahead until its process dies before
// the first leaf is signed.
func stopped(t *testing.T, f *ceremonytest.Fixture, ahead time.Duration) (dir string) {
	t.Helper()
	last := before(t, eventsOf(t, f), "before sign demo/etcd")
	dir = filepath.Join(t.TempDir(), "ceremony")
	cfg := mortal(f.Config(t, dir), &killer{at: last})
	cfg.Now = by(ahead)
	if _, err := ceremony.Run(context.Background(), cfg); err == nil {
		t.Fatal("the ceremony finished although it was killed")
	}
	return dir
}

// before is the number of the last event of a name.
func before(t *testing.T, events []string, name string) int {
	t.Helper()
	for i, e := range slices.Backward(events) {
		if e == name {
			return i + 1
		}
	}
	t.Fatalf("no event is %q: %q", name, events)
	return 0
}

// TestClockWasAhead: a clock that was an hour ahead and is set right does not end a
// ceremony, and the record says that it was.
func TestClockWasAhead(t *testing.T) {
	f := ceremonytest.New(t, ceremonytest.Shape{})
	dir := stopped(t, f, time.Hour)
	if _, err := ceremony.Run(context.Background(), f.Config(t, dir)); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "transcript.jsonl")
	data, err := os.ReadFile(path)
	must(t, err)
	record, err := transcript.Read(path, data)
	must(t, err)
	for _, line := range record.Lines {
		if r, ok := line.Record.(transcript.Resumed); ok {
			if r.Clock == nil || r.Clock.After(time.Now()) {
				t.Errorf("the record says that the clock was at %v", r.Clock)
			}
			return
		}
	}
	t.Error("no line says that the ceremony was resumed")
}

// TestClockWasFarAhead: what is far off is refused, with a way on.
func TestClockWasFarAhead(t *testing.T) {
	f := ceremonytest.New(t, ceremonytest.Shape{})
	dir := stopped(t, f, 400*24*time.Hour)
	_, err := ceremony.Run(context.Background(), f.Config(t, dir))
	if !errors.Is(err, transcript.ErrClock) || !strings.Contains(err.Error(), "the same command goes on after that time") {
		t.Errorf("got %v", err)
	}
}

// TestBornExpired: a clock that was behind and is right would sign certificates that
// have ended: none is.
func TestBornExpired(t *testing.T) {
	f := ceremonytest.New(t, ceremonytest.Shape{})
	dir := stopped(t, f, -2*365*24*time.Hour)
	was, err := os.ReadFile(filepath.Join(dir, "transcript.jsonl"))
	must(t, err)
	_, err = ceremony.Run(context.Background(), f.Config(t, dir))
	var refused *ceremony.Refused
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), "would have ended at") {
		t.Fatalf("got %v", err)
	}
	after, err := os.ReadFile(filepath.Join(dir, "transcript.jsonl"))
	must(t, err)
	if n := strings.Count(string(after[len(was):]), `"type":"intent"`); n > 0 {
		t.Errorf("%d more signatures were intended", n)
	}
}

// TestSinceBuilt: a clock that stands before the program was built signs nothing, and
// one that is a little behind the builder's does.
func TestSinceBuilt(t *testing.T) {
	f := ceremonytest.New(t, ceremonytest.Shape{})
	dir := filepath.Join(t.TempDir(), "ceremony")
	cfg := f.Config(t, dir)
	cfg.Built = time.Now().Add(time.Hour)
	_, err := ceremony.Run(context.Background(), cfg)
	refusedWith(t, err, "and this program was built at")
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it left a directory behind: %v", err)
	}
	cfg = f.Config(t, dir)
	cfg.Built = time.Now().Add(time.Minute)
	if _, err := ceremony.Run(context.Background(), cfg); err != nil {
		t.Fatal(err)
	}
}

// TestWindow: a plan runs within its window only, and audit holds the record to it.
func TestWindow(t *testing.T) {
	at := func(d time.Duration) string { return time.Now().Add(d).UTC().Format("2006-01-02T15:04:05Z") }
	for _, c := range []struct {
		name, window string
		runs         bool
	}{
		{"now", "{from: " + at(-time.Hour) + ", until: " + at(time.Hour) + "}", true},
		{"open end", "{from: " + at(-time.Hour) + "}", true},
		{"not yet", "{from: " + at(time.Hour) + "}", false},
		{"no more", "{until: " + at(-time.Hour) + "}", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := ceremonytest.New(t, ceremonytest.Shape{})
			f.Append(t, "window: "+c.window+"\n")
			dir := filepath.Join(t.TempDir(), "ceremony")
			_, err := ceremony.Run(context.Background(), f.Config(t, dir))
			var refused *ceremony.Refused
			if c.runs != (err == nil) || err != nil && (!errors.As(err, &refused) ||
				!strings.Contains(err.Error(), "the plan lets the ceremony run")) {
				t.Fatalf("got %v", err)
			}
			if _, err := os.Stat(filepath.Join(dir, "transcript.jsonl")); c.runs == errors.Is(err, os.ErrNotExist) {
				t.Errorf("the record: %v", err)
			}
		})
	}
}
