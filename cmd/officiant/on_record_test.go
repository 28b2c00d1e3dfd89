package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"officiant/ceremony/ceremonytest"
	"officiant/cmd/internal/exit"
)

// TestRefusedAlike: what is wrong by what is on record, check, approve and run refuse in
// the same words. All that there is of the kind, package ceremony has
// (TestCheckRefusesWhatRunWould).
func TestRefusedAlike(t *testing.T) {
	needSoftHSM(t)
	root := ceremonytest.New(t, ceremonytest.Shape{Cluster: "prod"})
	dir, _ := root.Run(t)
	f := ceremonytest.New(t, ceremonytest.Shape{People: []string{"alice officer"}, Approvals: 1})
	f.Under(t, dir)
	record := filepath.Join(f.Folder, "previous", "other.jsonl")
	plan, err := os.ReadFile(f.PlanFile)
	must(t, err)
	whole, err := os.ReadFile(record)
	must(t, err)
	for name, c := range map[string]struct {
		spoil func(plan, record []byte) (newPlan, newRecord []byte)
		says  string
	}{
		"evidence": {func(plan, record []byte) ([]byte, []byte) {
			return bytes.Replace(plan, []byte("previous/root.crt, evidence: software"),
				[]byte("previous/root.crt, evidence: consistent"), 1), record
		}, `the plan asks for evidence "consistent" of the root key, and ceremony 1 of cluster prod has it on record as ` +
			`"software"`},
		"altered": {func(plan, record []byte) ([]byte, []byte) {
			return plan, bytes.Replace(record, []byte(`"title":"Look`), []byte(`"title":"look`), 1)
		}, "prev is not the hash of the line before"},
		"none": {func(plan, record []byte) ([]byte, []byte) {
			before, after, _ := bytes.Cut(plan, []byte("previous:\n"))
			_, after, _ = bytes.Cut(after, []byte("\n"))
			return append(append(bytes.Clone(before), "previous: none\n"...), after...), record
		}, "the key of root exists, so a ceremony had it before"},
	} {
		newPlan, newRecord := c.spoil(plan, whole)
		put(t, f.PlanFile, string(newPlan))
		put(t, record, string(newRecord))
		for _, args := range [][]string{
			{"check", f.PlanFile},
			{"approve", f.PlanFile, "--print"},
			{"run", f.PlanFile, "--station", root.Station, "--dir", filepath.Join(t.TempDir(), "c"), "--present", "alice"},
		} {
			code, out, said := officiant(t, append([]string{"ceremony"}, args...)...)
			if code != exit.Refused || !strings.Contains(said, c.says) || strings.Contains(out, "digest") {
				t.Errorf("%s, %s: exit %d, want %q:\n%s%s", name, args[0], code, c.says, out, said)
			}
		}
	}
}
