package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// flushable is a folder on a file system that takes batches.
func flushable(t *testing.T) string {
	t.Helper()
	for _, parent := range []string{t.TempDir(), "/dev/shm", "."} {
		dir, err := os.MkdirTemp(parent, "batch-test-")
		if err != nil {
			continue
		}
		t.Cleanup(func() { os.RemoveAll(dir) })
		f, err := os.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if flushes(f) {
			return dir
		}
	}
	t.Skip("no file system here takes a batch")
	return ""
}

// inBatch writes two folders and two files beside them.
func inBatch(d *Disk, dir string) error {
	b, err := d.Batch(dir)
	if err != nil {
		return err
	}
	for _, node := range []string{"a", "b"} {
		for _, file := range []string{"SUMS", "pki/ca.crt", "pki/etcd/ca.crt"} {
			err = errors.Join(err, b.Write(filepath.Join(node, file), []byte(node+" "+file), 0o644))
		}
		err = errors.Join(err, b.Write(node+".tar", []byte(node), 0o640))
	}
	if err != nil {
		return errors.Join(err, b.Abandon())
	}
	return b.Commit()
}

// entries are what lies in a folder, the temporary apart, and wants each to be whole.
func entries(t *testing.T, dir string) (names []string, temps int) {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		node, archive := strings.CutSuffix(e.Name(), ".tar")
		switch {
		case IsTemp(e.Name()):
			temps++
			continue
		case archive:
			if read(t, filepath.Join(dir, e.Name())) != node {
				t.Errorf("%s is not whole", e.Name())
			}
		default:
			for _, file := range []string{"SUMS", "pki/ca.crt", "pki/etcd/ca.crt"} {
				if read(t, filepath.Join(dir, node, file)) != node+" "+file {
					t.Errorf("%s/%s is not whole", node, file)
				}
			}
		}
		names = append(names, e.Name())
	}
	return names, temps
}

// TestBatch: all of it, with the modes that were asked for, and one flush before the
// first name.
func TestBatch(t *testing.T) {
	dir := flushable(t)
	var ops []Op
	d := &Disk{Gate: func(op Op, _ string) error { ops = append(ops, op); return nil }}
	if err := inBatch(d, dir); err != nil {
		t.Fatal(err)
	}
	names, temps := entries(t, dir)
	if !slices.Equal(names, []string{"a", "a.tar", "b", "b.tar"}) || temps != 0 {
		t.Errorf("%q, %d temporary", names, temps)
	}
	for file, mode := range map[string]fs.FileMode{"a/pki": 0o755, "a/pki/etcd/ca.crt": 0o644, "b.tar": 0o640} {
		if info, err := os.Stat(filepath.Join(dir, file)); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v %v", file, info.Mode(), err)
		}
	}
	var syncs []string
	for i, op := range ops {
		if op == OpSync || op == OpSyncDir || op == OpRename && ops[i-1] != OpRename || op == OpWrite && ops[i-1] == OpSync {
			syncs = append(syncs, string(op))
		}
	}
	if got := strings.Join(syncs, " "); got != "sync rename syncdir" {
		t.Errorf("in the order %s", got)
	}
	if err := inBatch(d, dir); !errors.Is(err, fs.ErrExist) {
		t.Errorf("what is there was replaced: %v", err)
	}
}

// TestBatchKilled stops at each operation: what has its name is whole, the rest goes
// with RemoveTemps, and the same batch comes in afterwards.
func TestBatchKilled(t *testing.T) {
	dir := flushable(t)
	killed := errors.New("killed")
	for n := 1; ; n++ {
		at := filepath.Join(dir, fmt.Sprint(n))
		if err := os.Mkdir(at, 0o755); err != nil {
			t.Fatal(err)
		}
		count := 0
		err := inBatch(&Disk{Gate: func(op Op, _ string) error {
			if count++; count >= n {
				if op == OpWrite && count == n {
					return ErrTorn
				}
				return killed
			}
			return nil
		}}, at)
		if err == nil {
			if n < 35 {
				t.Errorf("only %d operations", n)
			}
			return
		}
		entries(t, at)
		if _, err := (&Disk{}).RemoveTemps(at); err != nil {
			t.Fatal(err)
		}
		names, temps := entries(t, at)
		if temps != 0 {
			t.Fatalf("operation %d: %d temporary are left", n, temps)
		}
		for _, name := range names { // who goes on finds these, and makes the others again
			if err := os.RemoveAll(filepath.Join(at, name)); err != nil {
				t.Fatal(err)
			}
		}
		if err := inBatch(&Disk{}, at); err != nil {
			t.Fatalf("after operation %d: %v", n, err)
		}
	}
}

// TestBatchFlushFails: an error of writing back is an error of the batch, and nothing
// gets its name.
func TestBatchFlushFails(t *testing.T) {
	dir := flushable(t)
	broken := errors.New("input/output error")
	err := inBatch(&Disk{Gate: func(op Op, _ string) error {
		if op == OpSync {
			return broken
		}
		return nil
	}}, dir)
	if names, _ := entries(t, dir); !errors.Is(err, broken) || len(names) > 0 {
		t.Errorf("%v; in place %q", err, names)
	}
}

// TestNoBatch: a file system that is not known to flush whole takes no batch.
func TestNoBatch(t *testing.T) {
	if _, err := (&Disk{}).Batch("/proc/self/task"); !errors.Is(err, ErrNoBatch) {
		t.Errorf("%v", err)
	}
	if _, err := (&Disk{}).Batch(filepath.Join(t.TempDir(), "absent")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
}
