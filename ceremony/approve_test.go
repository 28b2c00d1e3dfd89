package ceremony_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"officiant/ceremony"
	"officiant/ceremony/ceremonytest"
	"officiant/ceremony/transcript"
)

// TestApprovals shows that a run begins with enough approvals of its digest, and
// touches nothing without; that it copies and records them, and finds them again.
func TestApprovals(t *testing.T) {
	f := ceremonytest.New(t, ceremonytest.Shape{People: []string{"alice officer", "bob officer", "kim administrator", "eve witness"}, Approvals: 2})
	dir := filepath.Join(t.TempDir(), "ceremony")
	refused := func(what string, says ...string) {
		t.Helper()
		_, err := ceremony.Run(context.Background(), f.Config(t, dir))
		if _, ok := errors.AsType[*ceremony.Refused](err); !ok {
			t.Fatalf("%s: %v", what, err)
		}
		for _, s := range says {
			if !strings.Contains(err.Error(), s) {
				t.Errorf("%s: does not say %q: %v", what, s, err)
			}
		}
		if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: wrote something: %v", what, err)
		}
	}
	// What is no approval cannot stay in the directory the record is to be kept in.
	foreign := filepath.Join(t.TempDir(), "approvals", "alice.sig")
	if err := os.MkdirAll(filepath.Dir(foreign), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(foreign, []byte("yes\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := ceremony.Run(context.Background(), f.Config(t, filepath.Dir(filepath.Dir(foreign)))); err == nil || !strings.Contains(err.Error(), "it cannot stay in the ceremony's directory") {
		t.Errorf("a foreign file: %v", err)
	}
	refused("none", "0 of the 2 approvals that the plan asks for; not by alice, bob, kim")
	f.Approve(t, "alice")
	refused("one", "1 of the 2 approvals that the plan asks for, by alice; not by bob, kim")
	f.Approve(t, "eve")
	refused("a witness", "approvals/eve.sig: is by eve, a witness, who does not approve")
	f.Approve(t, "bob")
	data, err := os.ReadFile(f.PlanFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.PlanFile, append(data, "# another remark\n"...), 0o644); err != nil {
		t.Fatal(err)
	}
	refused("of another digest", "0 of the 2", "approvals/alice.sig: is not an approval of this digest", "approvals/bob.sig: ")

	f.Unapprove(t)
	f.Approve(t, "alice", "kim", "eve")
	k := &killer{at: 60}
	if _, err := ceremony.Run(context.Background(), mortal(f.Config(t, dir), k)); !errors.Is(err, errKilled) {
		t.Fatal(err)
	}
	// Whoever goes on needs the approvals on record, here or beside the plan.
	lost := filepath.Join(dir, "approvals", "kim.sig")
	kim, err := os.ReadFile(lost)
	if err != nil {
		t.Fatal(err)
	}
	cfg := f.Config(t, dir)
	cfg.Approvals = nil
	if err := os.Remove(lost); err != nil {
		t.Fatal(err)
	}
	if _, err := ceremony.Run(context.Background(), cfg); err == nil || !strings.Contains(err.Error(), "1 of the 2 approvals") {
		t.Errorf("a lost approval: %v", err)
	}
	if _, err := ceremony.Run(context.Background(), f.Config(t, dir)); err != nil {
		t.Fatal(err)
	}
	if again, err := os.ReadFile(lost); err != nil || string(again) != string(kim) {
		t.Errorf("the lost approval was not written again: %v", err)
	}
	raw, err := os.ReadFile(filepath.Join(dir, "transcript.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	record, err := transcript.Read("transcript.jsonl", raw)
	if err != nil {
		t.Fatal(err)
	}
	open := record.Open()
	if len(open.People) != 4 || open.Threshold != 2 || len(open.Approvals) != 2 || open.Approvals[0].Person != "alice" || open.Approvals[1].Person != "kim" {
		t.Errorf("on record: %v, %d, %v", open.People, open.Threshold, open.Approvals)
	}
	if _, err := os.Stat(filepath.Join(dir, "approvals", "eve.sig")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what is no approval was copied: %v", err)
	}
}

// TestApprovalsChangedMeanwhile: what was counted is what is kept. A file that is
// put beside the plan after the count changes nothing; one that is put into the
// directory stops the ceremony.
func TestApprovalsChangedMeanwhile(t *testing.T) {
	f := attending(t)
	beside := filepath.Join(f.Folder, "approvals", "bob.sig")
	bob, err := os.ReadFile(beside)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "ceremony")
	for _, c := range []struct{ changed, says string }{
		{filepath.Join(dir, "approvals", "bob.sig"), "approvals is there, and no ceremony"},
		{beside, ""},
	} {
		cfg := f.Config(t, dir)
		cfg.Observer = &stepping{Observer: cfg.Observer, do: func(n int) {
			if n != 2 {
				return
			}
			if err := os.MkdirAll(filepath.Dir(c.changed), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(c.changed, []byte("yes\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}}
		_, err := ceremony.Run(context.Background(), cfg)
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Fatalf("%s changed: %v", c.changed, err)
		}
		if c.says != "" {
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
		}
	}
	if kept, err := os.ReadFile(filepath.Join(dir, "approvals", "bob.sig")); err != nil || string(kept) != string(bob) {
		t.Errorf("kept is not what was counted: %v", err)
	}
}

// TestApprovalGoneAtResume: whoever goes on has to have the approvals on record,
// even when others would be enough.
func TestApprovalGoneAtResume(t *testing.T) {
	f := attending(t)
	dir := filepath.Join(t.TempDir(), "ceremony")
	if _, err := ceremony.Run(context.Background(), mortal(f.Config(t, dir), &killer{at: 60})); !errors.Is(err, errKilled) {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "approvals", "bob.sig")); err != nil {
		t.Fatal(err)
	}
	f.Unapprove(t)
	f.Approve(t, "alice", "kim")
	before := len(readRecord(t, dir).Lines)
	_, err := ceremony.Run(context.Background(), f.Config(t, dir))
	if err == nil || !strings.Contains(err.Error(), "bob's approval is on record and its file, of SHA-256 ") || !strings.Contains(err.Error(), "is gone") {
		t.Fatal(err)
	}
	if after := len(readRecord(t, dir).Lines); after != before {
		t.Errorf("%d lines were written", after-before)
	}
}

// TestDirectoryOfAFile: a directory that is a file is named, before anything in it.
func TestDirectoryOfAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ceremony")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := ceremony.Approved(file, nil, nil)
	if failed, ok := errors.AsType[*fs.PathError](err); !ok || failed.Path != file || !errors.Is(err, syscall.ENOTDIR) {
		t.Error(err)
	}
}
