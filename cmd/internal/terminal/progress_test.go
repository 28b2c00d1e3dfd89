package terminal

import (
	"strings"
	"testing"
	"time"
)

// TestProgressInLogs: a log gets a line every few seconds, and none for work
// that is soon done.
func TestProgressInLogs(t *testing.T) {
	var out strings.Builder
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	p := &Progress{Out: &out, Now: func() time.Time { return now }}
	for i := range 40 { // half a second each
		p.At(i, 100)
		now = now.Add(time.Second / 2)
	}
	p.End()
	want := "    10 of 100, about 45s left\n    20 of 100, about 40s left\n    30 of 100, about 35s left\n"
	if out.String() != want {
		t.Errorf("said\n%s\nwant\n%s", out.String(), want)
	}
	out.Reset()
	for i := range 9 { // the next step, done in less than five seconds
		p.At(i, 9)
		now = now.Add(time.Second / 2)
	}
	if p.End(); out.Len() > 0 {
		t.Errorf("said %q of short work", out.String())
	}
}

// TestHang folds for people, and leaves alone what is searched.
func TestHang(t *testing.T) {
	long := strings.Repeat("word ", 30)
	if got := hang("    ", long, 0); got != "    "+long+"\n" {
		t.Errorf("got %q", got)
	}
	got := hang("ok  ", long, 40)
	for i, line := range strings.Split(strings.TrimSuffix(got, "\n"), "\n") {
		if len(line) > 40 || i > 0 && !strings.HasPrefix(line, "    word") {
			t.Errorf("line %q", line)
		}
	}
	if strings.Join(strings.Fields(got), " ") != "ok "+strings.TrimSpace(long) {
		t.Errorf("something was lost: %q", got)
	}
}
