package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// Files staged together are each complete under another name, and all of them are
// written before the first is synced.
func TestStageAll(t *testing.T) {
	dir := t.TempDir()
	var ops []Op
	d := &Disk{Gate: func(op Op, _ string) error { ops = append(ops, op); return nil }}
	var list []File
	for i := range 20 {
		list = append(
			list,
			File{Path: filepath.Join(dir, fmt.Sprint(i)), Data: []byte(fmt.Sprint("content ", i)), Mode: 0o640},
		)
	}
	names, err := d.StageAll(list)
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range names {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if read(t, name) != string(list[i].Data) || info.Mode().Perm() != 0o640 || !IsTemp(name) ||
			filepath.Dir(name) != dir {
			t.Errorf("%s is not as it was asked for", name)
		}
		if _, err := os.Stat(list[i].Path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is in place (%v)", list[i].Path, err)
		}
	}
	if first := slices.Index(ops, OpSync); len(ops) != 80 || first != 60 {
		t.Errorf("%d operations, the first sync is number %d", len(ops), first)
	}
	if names, err := d.StageAll(nil); err != nil || len(names) != 0 {
		t.Errorf("nothing staged: %v, %v", names, err)
	}
}

// Whichever operation fails, nothing is left behind.
func TestStageAllFails(t *testing.T) {
	broken := errors.New("broken")
	for n := 1; n <= 12; n++ {
		dir, count := t.TempDir(), 0
		d := &Disk{Gate: func(op Op, _ string) error {
			if count++; count == n {
				return broken
			}
			return nil
		}}
		list := []File{{Path: filepath.Join(dir, "a"), Data: []byte("a"), Mode: 0o600},
			{Path: filepath.Join(dir, "b"), Data: []byte("b"), Mode: 0o600}, {Path: filepath.Join(dir, "c"), Mode: 0o600}}
		if names, err := d.StageAll(list); !errors.Is(err, broken) || names != nil {
			t.Errorf("operation %d: %v, %v", n, names, err)
		}
		if left := temps(t, dir); left != 0 {
			t.Errorf("operation %d left %d files", n, left)
		}
	}
	dir := t.TempDir()
	files := []File{{Path: filepath.Join(dir, "a"), Mode: 0o600}, {Path: filepath.Join(dir, "none", "b"), Mode: 0o600}}
	if _, err := new(Disk).StageAll(files); !errors.Is(err, fs.ErrNotExist) || temps(t, dir) != 0 {
		t.Errorf("a folder that is not there: %v, %d left", err, temps(t, dir))
	}
}

func TestSyncDirs(t *testing.T) {
	dir := t.TempDir()
	var paths []string
	d := &Disk{Gate: func(op Op, path string) error { paths = append(paths, string(op)+" "+path); return nil }}
	if err := d.SyncDirs([]string{dir, os.TempDir()}); err != nil || len(paths) != 2 || paths[0] != "syncdir "+dir {
		t.Errorf("%v, %v", paths, err)
	}
	if err := d.SyncDirs([]string{dir, filepath.Join(dir, "none")}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder that is not there: %v", err)
	}
}

func TestChown(t *testing.T) {
	dir := t.TempDir()
	d := &Disk{}
	name, err := d.Stage(filepath.Join(dir, "a"), []byte("a"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Chown(name, filepath.Join(dir, "a"), os.Getuid(), os.Getgid()); err != nil {
		t.Error(err)
	}
	d.Gate = func(op Op, path string) error {
		if op == OpChown && path == filepath.Join(dir, "a") {
			return fs.ErrPermission
		}
		return nil
	}
	if err := d.Chown(name, filepath.Join(dir, "a"), os.Getuid(), os.Getgid()); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("not gated: %v", err)
	}
}
