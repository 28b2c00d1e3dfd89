package ceremony_test

import (
	"os"
	"path/filepath"
	"testing"

	"officiant/ceremony"
	"officiant/ceremony/ceremonytest"
)

// TestContinuedTwice: a machine on which a ceremony was continued refuses to continue it
// by another one, when the plan is checked and before its record begins. The plan that
// did so may be looked at, and its directory run again; a rehearsal is nobody's chain.
func TestContinuedTwice(t *testing.T) {
	f := ceremonytest.New(t, ceremonytest.Shape{})
	first, err := os.ReadFile(f.PlanFile)
	must(t, err)
	succeed(t, f, string(first))
	folder := filepath.Join(t.TempDir(), "continued")
	kept := func(dir string) ceremony.Config {
		cfg := f.Config(t, dir)
		cfg.Heads.Continued = folder
		return cfg
	}
	dir := filepath.Join(t.TempDir(), "second")
	_, err = ceremony.Run(t.Context(), kept(dir))
	must(t, err)
	must(t, ceremony.Continued(folder, f.Config(t, "").Plan))
	if _, err := ceremony.Run(t.Context(), kept(dir)); err != nil {
		t.Errorf("run again: %v", err)
	}
	files, err := os.ReadDir(folder)
	if err != nil || len(files) != 1 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	file := filepath.Join(folder, files[0].Name())
	_, err = ceremony.Run(t.Context(), kept(filepath.Join(t.TempDir(), "the same plan")))
	refusedWith(t, err, "ceremony demo-2 already continued the same ceremony of cluster demo")

	text, err := os.ReadFile(f.PlanFile)
	must(t, err)
	must(t, os.WriteFile(f.PlanFile, append(text, "left: []\n"...), 0o644))
	refusedWith(t, ceremony.Continued(folder, f.Config(t, "").Plan), "remove "+file)
	another := filepath.Join(t.TempDir(), "another")
	_, err = ceremony.Run(t.Context(), kept(another))
	refusedWith(t, err, "make the plan from the directory of demo-2")
	if _, err := os.Stat(filepath.Join(another, "transcript.jsonl")); err == nil {
		t.Error("a record was begun")
	}
	must(t, os.Remove(file))
	must(t, ceremony.Continued(folder, f.Config(t, "").Plan))
}
