package ceremony_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"officiant/ceremony"
	"officiant/ceremony/ceremonytest"
	"officiant/ceremony/history"
	"officiant/ceremony/schedule"
)

// TestCheckRefusesWhatRunWould takes what a run refuses of records before it looks for a
// key, and shows that check refuses it, too: nobody learns it in the room. What a run
// refuses of a sealed pair, TestCarriedAccount has, and schedule's tests of the same.
func TestCheckRefusesWhatRunWould(t *testing.T) {
	root := ceremonytest.New(t, ceremonytest.Shape{Cluster: "prod"})
	dir, _ := root.Run(t)
	f := ceremonytest.New(t, ceremonytest.Shape{})
	f.Under(t, dir)
	f.Station = root.Station
	check := func(at time.Time) error {
		_, err := schedule.Open(f.PlanFile, schedule.Options{Now: at})
		return err
	}
	if err := check(time.Now()); err != nil {
		t.Fatal(err)
	}
	// A clock before the end of the ceremony that had the root last.
	last, err := history.Read(history.Directory(dir))
	if err != nil {
		t.Fatal(err)
	}
	early := last.Ended.Add(-time.Millisecond)
	const clock = "but ceremony 1 of"
	if err := check(early); err == nil || !strings.Contains(err.Error(), clock) {
		t.Errorf("check, with a clock that is late: %v", err)
	}
	cfg := f.Config(t, filepath.Join(t.TempDir(), "ceremony"))
	cfg.Now = func() time.Time { return early }
	var refused *ceremony.Refused
	if _, err := ceremony.Run(
		context.Background(),
		cfg,
	); !errors.As(err, &refused) ||
		!strings.Contains(err.Error(), clock) {
		t.Errorf("run, with a clock that is late: %v", err)
	}
	// A record of which one byte is another, and one without its last line.
	file := filepath.Join(f.Folder, "previous", "other.jsonl")
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		record []byte
		says   string
	}{
		"altered": {bytes.Replace(whole, []byte(`"name":"etcd"`), []byte(`"name":"Etcd"`), 1),
			"prev is not the hash of the line before"},
		"cut": {whole[:bytes.LastIndexByte(whole[:len(whole)-1], '\n')+1],
			"the last line of previous/other.jsonl has SHA-256"},
	} {
		cfg := f.Config(t, filepath.Join(t.TempDir(), "ceremony"))
		if err := os.WriteFile(file, c.record, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := check(time.Now()); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("check, %s: %v", name, err)
		}
		cfg.Plan.Inputs["previous/other.jsonl"] = c.record // as if it had been altered since
		if _, err := ceremony.Run(context.Background(), cfg); err == nil {
			t.Errorf("run, %s: no error", name)
		}
		if err := os.WriteFile(file, whole, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
