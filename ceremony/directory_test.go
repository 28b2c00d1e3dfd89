package ceremony_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/gofrs/flock"

	"officiant/ceremony"
	"officiant/ceremony/ceremonytest"
)

// TestDirectoryOfSomethingElse shows that a ceremony begins in a directory of its
// own, and touches nothing in any other.
func TestDirectoryOfSomethingElse(t *testing.T) {
	f := ceremonytest.New(t, ceremonytest.Shape{})
	for what, files := range map[string][]string{
		"a file":                      {"notes.txt"},
		"a folder of files":           {"home/photo.jpg"},
		"a file beside a request":     {"requests/cp-2.req"},
		"a bundle":                    {"bundles/cp-1.tar"},
		"a transcript without a plan": {"transcript.jsonl"},
		"another's temporary file":    {"home/.officiant-tmp-1", "home/photo.jpg"},
		"another plan":                {"plan.yaml"},
	} {
		t.Run(what, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "ceremony")
			for _, name := range files {
				put(t, filepath.Join(dir, name), "x")
			}
			link := filepath.Join(t.TempDir(), "link")
			if err := os.Symlink(dir, link); err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{dir, link} {
				_, err := ceremony.Run(context.Background(), f.Config(t, name))
				if !errors.Is(err, ceremony.ErrOtherCeremony) {
					t.Fatalf("%s: %v", name, err)
				}
			}
			for _, name := range files {
				if data, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(data) != "x" {
					t.Errorf("%s: %q, %v", name, data, err)
				}
			}
			if _, err := os.Stat(filepath.Join(dir, "schedule.txt")); err == nil {
				t.Error("the ceremony began")
			}
		})
	}
}

// TestDirectoryOfPipes: nothing waits for a pipe in a ceremony's directory, or follows a
// link that somebody put there.
func TestDirectoryOfPipes(t *testing.T) {
	f := ceremonytest.New(t, ceremonytest.Shape{})
	whole, _ := f.Run(t)
	for _, name := range []string{
		"plan.yaml", ".lock", "schedule.txt", "transcript.jsonl", "bundles/x", "authorities/root.crt",
	} {
		for what, put := range map[string]func(path string) error{
			"pipe": func(path string) error { return syscall.Mkfifo(path, 0o600) },
			"link": func(path string) error { return os.Symlink("/dev/zero", path) },
		} {
			dir := filepath.Join(t.TempDir(), "ceremony")
			path := filepath.Join(dir, name)
			if err := errors.Join(os.CopyFS(dir, os.DirFS(whole)), os.RemoveAll(path), put(path)); err != nil {
				t.Fatal(err)
			}
			_, err := ceremony.Run(context.Background(), f.Config(t, dir))
			refused, ok := errors.AsType[*ceremony.Refused](err)
			if !ok || !strings.Contains(refused.Error(), path+" is neither a file nor a folder") {
				t.Errorf("%s for %s: %v", what, name, err)
			}
		}
	}
}

// TestSecondProcess shows that a directory is one process's at a time, and free
// again when that one is gone.
func TestSecondProcess(t *testing.T) {
	f := ceremonytest.New(t, ceremonytest.Shape{})
	dir := filepath.Join(t.TempDir(), "ceremony")
	path := filepath.Join(dir, ".lock")
	put(t, path, "")
	first := flock.New(path)
	if ok, err := first.TryLock(); err != nil || !ok {
		t.Fatal(err)
	}
	_, err := ceremony.Run(context.Background(), f.Config(t, dir))
	if err == nil || !strings.Contains(err.Error(), "another process conducts this ceremony") {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Error("the lock of the other process was removed")
	}
	if err := first.Unlock(); err != nil {
		t.Fatal(err)
	}
	if _, err := ceremony.Run(context.Background(), f.Config(t, dir)); err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestDirectoryVanishes: a directory that is moved away in the midst gets no further
// signature by a CA key, none appears in its place, and put back it is gone on with.
func TestDirectoryVanishes(t *testing.T) {
	f := ceremonytest.New(t, ceremonytest.Shape{Workers: 2})
	for _, before := range []string{"root", "kubernetes", "release"} {
		t.Run(before, func(t *testing.T) {
			f.Tokens(t)
			dir := filepath.Join(t.TempDir(), "ceremony")
			away := dir + "-away"
			cfg := f.Config(t, dir)
			signed, gone := 0, 0
			cfg = mortal(cfg, &killer{on: func(what string) {
				if !strings.HasPrefix(what, "before sign ") {
					return
				}
				if signed++; gone == 0 && what == "before sign demo/"+before {
					gone = signed
					if err := os.Rename(dir, away); err != nil {
						t.Error(err)
					}
				}
			}})
			_, err := ceremony.Run(t.Context(), cfg)
			if err == nil || !strings.Contains(err.Error(), "moved, removed or unmounted") {
				t.Fatalf("%v", err)
			}
			// The group that is in the token's hands comes to its end.
			if n := signed - gone; gone == 0 || n > 12 {
				t.Errorf("%d signatures after the directory was gone", n)
			}
			if _, err := os.Stat(dir); err == nil {
				t.Error("another directory is in its place")
			}
			if err := os.Rename(away, dir); err != nil {
				t.Fatal(err)
			}
			if _, err := ceremony.Run(t.Context(), f.Config(t, dir)); err != nil {
				t.Fatal(err)
			}
		})
	}
}
