package tree

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
)

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	must(t, err)
	return string(data)
}

// TestWithoutLinks: a folder has no hard links anywhere, as no file has on exFAT.
func TestWithoutLinks(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	for _, folder := range []string{a, b} {
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := At(dir).linkNoReplace(a, b); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a folder that is there: got %v, want fs.ErrExist", err)
	}
	if err := At(dir).linkNoReplace(a, filepath.Join(dir, "c")); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(filepath.Join(dir, "c")); err != nil {
		t.Error(err)
	}
}

// TestLockedLosesTheRace: of many that rename under the lock, one wins, and what it
// placed stays.
func TestLockedLosesTheRace(t *testing.T) {
	dir := t.TempDir()
	const racers = 32
	won := make(chan string, racers)
	var atWork sync.WaitGroup
	for i := range racers {
		from := filepath.Join(dir, fmt.Sprint(i))
		if err := os.WriteFile(from, []byte(from), 0o600); err != nil {
			t.Fatal(err)
		}
		atWork.Go(func() {
			switch err := At(dir).lockedNoReplace(from, filepath.Join(dir, "name")); {
			case err == nil:
				won <- from
			case !errors.Is(err, fs.ErrExist):
				t.Error(err)
			}
		})
	}
	atWork.Wait()
	if len(won) != 1 {
		t.Fatalf("%d renames won", len(won))
	}
	if want, got := <-won, read(t, filepath.Join(dir, "name")); got != want {
		t.Errorf("the name holds %q, not the winner's %q", got, want)
	}
}

// TestLockedBesideALock: a caller may hold a lock on the folder itself.
func TestLockedBesideALock(t *testing.T) {
	dir := t.TempDir()
	folder, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	if err := syscall.Flock(int(folder.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	from := filepath.Join(dir, "a")
	if err := os.WriteFile(from, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := At(dir).lockedNoReplace(from, filepath.Join(dir, "b")); err != nil {
		t.Error(err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("left: %v, %v", entries, err)
	}
}
