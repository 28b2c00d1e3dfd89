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
	"officiant/ceremony/audit"
	"officiant/ceremony/ceremonytest"
	"officiant/ceremony/preflight"
	"officiant/ceremony/transcript"
	"officiant/signer"
)

// networkUp is a room whose station refuses it, but for what is waived.
func networkUp(context.Context, time.Time) ([]preflight.Result, error) {
	return []preflight.Result{
		{Name: "network", Seen: "up: eth0; down: none", Wrong: "eth0 is up", Level: preflight.Refuse},
		{Name: "swap", Seen: "/dev/sda2", Wrong: "memory may be written", Level: preflight.Warn},
		{Name: "user", Seen: "root", Wrong: "no step needs root", Level: preflight.Record},
	}, nil
}

// TestRefusedRoom: no token is opened, what was seen is on record, and the same
// command goes on once the room is right, or two people waived it.
func TestRefusedRoom(t *testing.T) {
	for _, waive := range []ceremony.Waiver{{}, {Checks: []string{"network", "space"}, Reason: "the HSM is reached by it", By: []string{"kim", "lee"}}} {
		f := ceremonytest.New(t, ceremonytest.Shape{})
		dir := filepath.Join(t.TempDir(), "ceremony")
		cfg := f.Config(t, dir)
		right, open, opened := cfg.Look, cfg.Open, 0
		cfg.Open = func(ctx context.Context, ref signer.Ref, ask signer.PINFunc) (signer.Store, error) {
			opened++
			return open(ctx, ref, ask)
		}
		cfg.Look = networkUp
		for _, other := range []ceremony.Waiver{{}, {Checks: []string{"swap"}, Reason: "no", By: []string{"kim", "lee"}}} {
			cfg.Waive = other
			_, err := ceremony.Run(context.Background(), cfg)
			var missing *ceremony.Missing
			if !errors.As(err, &missing) || !strings.Contains(err.Error(), "network: eth0 is up") ||
				missing.What != ceremony.AWaiver {
				t.Fatalf("a room with a network: %v", err)
			}
			if opened != 0 {
				t.Fatal("a token was opened in a room that is refused")
			}
		}
		want := []string{}
		if cfg.Waive = waive; len(waive.Checks) > 0 {
			want = []string{"network kim lee network: eth0 is up: the HSM is reached by it"}
		} else {
			cfg.Look = right
		}
		if _, err := ceremony.Run(context.Background(), cfg); err != nil { // its last step is the audit
			t.Fatal(err)
		}
		lookedAt(t, dir, 3, want)
	}
}

// lookedAt wants so many looks at the room on record, and these deviations, and
// that an audit tells of both.
func lookedAt(t *testing.T, dir string, looks int, want []string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "transcript.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	record, err := transcript.Read("transcript.jsonl", data)
	if err != nil {
		t.Fatal(err)
	}
	deviations := []string{}
	for _, l := range record.Lines {
		switch r := l.Record.(type) {
		case transcript.Preflight:
			looks--
		case transcript.Deviation:
			deviations = append(deviations, r.Waives+" "+strings.Join(r.By, " ")+" "+r.Text)
		}
	}
	if looks != 0 || !slices.Equal(deviations, want) {
		t.Errorf("%d looks are missing; deviations %q, want %q", looks, deviations, want)
	}
	report, err := audit.Verify(dir, audit.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var notes []string
	for _, c := range report.Checks {
		notes = append(notes, c.Notes...)
	}
	for _, w := range []string{"the room, network (refuse): eth0 is up", "the room, swap (warn): memory may be written"} {
		if !strings.Contains(strings.Join(notes, "\n"), w) {
			t.Errorf("audit does not note %q but %q", w, notes)
		}
	}
	if told := strings.Contains(strings.Join(notes, "\n"), "deviation, agreed by [kim lee]: network"); told != (len(want) > 0) {
		t.Errorf("audit tells of a deviation: %t", told)
	}
}

// TestRoomLookedAtInVain: a room that cannot be looked at stops the ceremony.
func TestRoomLookedAtInVain(t *testing.T) {
	cfg := ceremonytest.New(t, ceremonytest.Shape{}).Config(t, filepath.Join(t.TempDir(), "ceremony"))
	broken := errors.New("no program")
	cfg.Look = func(context.Context, time.Time) ([]preflight.Result, error) { return nil, broken }
	if _, err := ceremony.Run(context.Background(), cfg); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}
