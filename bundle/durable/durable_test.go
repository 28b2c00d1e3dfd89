package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
)

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func temps(t *testing.T, dir string) int {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, e := range entries {
		if IsTemp(e.Name()) {
			n++
		}
	}
	return n
}

func TestCreateNeverReplaces(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(dir, "elsewhere")
	taken := map[string]func(path string) error{
		"a file":          func(p string) error { return os.WriteFile(p, []byte("old"), 0o600) },
		"a folder":        func(p string) error { return os.Mkdir(p, 0o700) },
		"a dangling link": func(p string) error { return os.Symlink(target, p) },
	}
	for name, make := range taken {
		path := filepath.Join(dir, name)
		if err := make(path); err != nil {
			t.Fatal(err)
		}
		if err := new(Disk).Create(path, []byte("new"), 0o644); !errors.Is(err, fs.ErrExist) {
			t.Errorf("%s: got %v, want fs.ErrExist", name, err)
		}
	}
	if got := read(t, filepath.Join(dir, "a file")); got != "old" {
		t.Errorf("the file now holds %q", got)
	}
	if _, err := os.Lstat(target); err == nil {
		t.Error("the link was followed")
	}
	if n := temps(t, dir); n != 0 {
		t.Errorf("%d temporary files left", n)
	}
}

// The look before the rename is a courtesy; the rename itself must refuse.
func TestCreateLosesTheRace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	d := &Disk{Gate: func(op Op, p string) error {
		if op == OpRename {
			return os.WriteFile(path, []byte("faster"), 0o600)
		}
		return nil
	}}
	if err := d.Create(path, []byte("slower"), 0o600); !errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v, want fs.ErrExist", err)
	}
	if got := read(t, path); got != "faster" {
		t.Errorf("the file holds %q", got)
	}
	if n := temps(t, filepath.Dir(path)); n != 0 {
		t.Errorf("%d temporary files left", n)
	}
}

func TestModesAreExact(t *testing.T) {
	old := syscall.Umask(0o077)
	defer syscall.Umask(old)
	dir := t.TempDir()
	d := &Disk{}
	file, deep := filepath.Join(dir, "f"), filepath.Join(dir, "a", "b", "c")
	if err := d.Create(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := d.MkdirAll(deep, 0o755); err != nil {
		t.Fatal(err)
	}
	log, err := d.OpenLog(filepath.Join(dir, "log"), 0o640)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	for path, want := range map[string]fs.FileMode{
		file: 0o644, filepath.Join(dir, "a"): fs.ModeDir | 0o755, deep: fs.ModeDir | 0o755, filepath.Join(dir, "log"): 0o640,
	} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != want {
			t.Errorf("%s has mode %s, want %s", path, info.Mode(), want)
		}
	}
}

// Whatever operation fails, or is the last before the process dies, the name
// shows the old content or the new one, never a part.
func TestWholeOrNotAtAll(t *testing.T) {
	const oldText, newText = "old content", "new content, longer"
	stop := errors.New("stopped")
	for _, verb := range []string{"create", "replace"} {
		for _, crash := range []bool{false, true} {
			for _, fault := range []error{stop, ErrTorn} {
				for at := 1; ; at++ {
					name := fmt.Sprintf("%s, crash %v, %v at operation %d", verb, crash, fault, at)
					dir := t.TempDir()
					path := filepath.Join(dir, "f")
					if verb == "replace" {
						if err := os.WriteFile(path, []byte(oldText), 0o600); err != nil {
							t.Fatal(err)
						}
					}
					n, dead := 0, false
					d := &Disk{Gate: func(op Op, p string) error {
						if n++; n == at || crash && dead {
							dead = true
							return fault
						}
						return nil
					}}
					write := d.Create
					if verb == "replace" {
						write = d.Replace
					}
					err := write(path, []byte(newText), 0o600)
					if !dead {
						if err != nil || at < 6 {
							t.Fatalf("%s: %v after %d operations", name, err, n)
						}
						break
					}
					if !errors.Is(err, fault) {
						t.Errorf("%s: got %v", name, err)
					}
					checkWhole(t, name, path, verb == "replace", oldText, newText)
					if n := temps(t, dir); !crash && n != 0 {
						t.Errorf("%s: %d temporary files left", name, n)
					}
					if _, err := new(Disk).RemoveTemps(dir); err != nil || temps(t, dir) != 0 {
						t.Errorf("%s: RemoveTemps: %v", name, err)
					}
				}
			}
		}
	}
}

func checkWhole(t *testing.T, name, path string, existed bool, oldText, newText string) {
	t.Helper()
	data, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !existed:
	case err != nil:
		t.Errorf("%s: %v", name, err)
	case string(data) == newText, existed && string(data) == oldText:
	default:
		t.Errorf("%s: the file holds %q", name, data)
	}
}

func TestCreateOrder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	var ops []Op
	d := &Disk{Gate: func(op Op, p string) error {
		ops = append(ops, op)
		if op != OpSyncDir && p != path {
			t.Errorf("%s was asked for %s", op, p)
		}
		return nil
	}}
	if err := d.Create(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	want := []Op{OpCreate, OpWrite, OpChmod, OpSync, OpRename, OpSyncDir}
	if !slices.Equal(ops, want) {
		t.Errorf("operations %v, want %v", ops, want)
	}
}

func TestRemoveTempsLeavesTheRest(t *testing.T) {
	dir := t.TempDir()
	d := &Disk{}
	staged, err := d.Stage(filepath.Join(dir, "f"), []byte("x"), 0o600)
	if err != nil || !IsTemp(staged) {
		t.Fatalf("Stage: %q, %v", staged, err)
	}
	keep := filepath.Join(dir, "officiant-tmp-not")
	if err := os.WriteFile(keep, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	removed, err := d.RemoveTemps(dir)
	if err != nil || !slices.Equal(removed, []string{staged}) {
		t.Errorf("removed %v, %v", removed, err)
	}
	if _, err := os.Stat(keep); err != nil {
		t.Error(err)
	}
}

func TestMkdirAllOverAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{path, filepath.Join(path, "below")} {
		if err := new(Disk).MkdirAll(p, 0o700); err == nil {
			t.Errorf("MkdirAll(%s) succeeded", p)
		}
	}
}

func TestRemoveAllCountsEach(t *testing.T) {
	dir := t.TempDir()
	d := &Disk{}
	if err := d.MkdirAll(filepath.Join(dir, "a", "b"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(dir, filepath.Join(dir, "a", "link")); err != nil {
		t.Fatal(err)
	}
	n := 0
	d.Gate = func(op Op, _ string) error { n++; return nil }
	if err := d.RemoveAll(filepath.Join(dir, "a")); err != nil {
		t.Fatal(err)
	}
	if n != 3 {
		t.Errorf("%d removals, want 3", n)
	}
	if err := d.RemoveAll(filepath.Join(dir, "a")); err != nil {
		t.Errorf("the second time: %v", err)
	}
	if _, err := os.Stat(dir); err != nil {
		t.Errorf("the link was followed: %v", err)
	}
}
