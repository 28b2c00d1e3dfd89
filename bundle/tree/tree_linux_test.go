package tree

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// every is each operation, on a path that leads through a link.
func every(r *Root, at string) map[string]error {
	all := map[string]error{}
	_, all["lstat"] = r.Lstat(at)
	_, all["stat"] = r.Stat(at)
	_, all["read"] = r.ReadFile(at)
	_, all["list"] = r.ReadDir(filepath.Dir(at))
	_, all["open"] = r.Open(at)
	_, all["create"] = r.OpenFile(at+".new", os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	_, _, all["temporary"] = r.CreateTemp(filepath.Dir(at), "x-")
	all["mkdir"] = r.Mkdir(at+".dir", 0o700)
	all["chmod"] = r.Chmod(at, 0o640)
	all["rename"] = r.Rename(at, at+".2")
	all["exchange"] = r.Exchange(at, at+".other")
	all["no replace"] = r.RenameNoReplace(at, at+".2")
	all["link"] = r.Link(at, at+".3")
	all["remove"] = r.Remove(at)
	_, all["fixed"] = r.Fixed(at)
	all["folder"] = r.Folder(filepath.Dir(at))
	all["walk"] = r.Walk(filepath.Dir(at), func(string, fs.DirEntry) error { return nil })
	return all
}

func TestNothingOutside(t *testing.T) {
	for name, target := range map[string]func(outside string) string{
		"absolute": func(outside string) string { return outside },
		"climbing": func(outside string) string { return "../../" + filepath.Base(outside) },
	} {
		t.Run(name, func(t *testing.T) {
			top := t.TempDir()
			root, outside := filepath.Join(top, "root"), filepath.Join(top, "outside")
			must(t, os.MkdirAll(filepath.Join(root, "etc"), 0o755))
			must(t, os.Mkdir(outside, 0o755))
			for _, f := range []string{"f", "f.other"} {
				must(t, os.WriteFile(filepath.Join(outside, f), []byte(f), 0o600))
			}
			must(t, os.Symlink(target(outside), filepath.Join(root, "etc/pki")))
			for op, err := range every(At(root), filepath.Join(root, "etc/pki/f")) {
				var out *Outside
				if !errors.As(err, &out) || !strings.Contains(err.Error(), "leads out of "+root) {
					t.Errorf("%s: %v", op, err)
				}
			}
			if entries, _ := os.ReadDir(outside); len(entries) != 2 {
				t.Errorf("outside now holds %v", entries)
			}
		})
	}
}

// A link of that machine means a file of that machine.
func TestLinksOfTheTree(t *testing.T) {
	root := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(root, "etc/kubernetes/ssl"), 0o755))
	must(t, os.WriteFile(filepath.Join(root, "etc/kubernetes/ssl/ca.crt"), []byte("ca"), 0o600))
	for _, target := range []string{
		"ssl", "/etc/kubernetes/ssl", filepath.Join(root, "etc/kubernetes/ssl"), "../../etc/kubernetes/./ssl",
	} {
		link := filepath.Join(root, "etc/kubernetes/pki")
		must(t, os.Symlink(target, link))
		r := At(root)
		if data, err := r.ReadFile(filepath.Join(link, "ca.crt")); string(data) != "ca" {
			t.Errorf("%s: %q, %v", target, data, err)
		}
		must(t, r.Folder(link))
		must(t, r.Folder(filepath.Join(link, "not/yet")))
		if info, err := r.Lstat(link); err != nil || info.Mode()&fs.ModeSymlink == 0 {
			t.Errorf("%s: %v, %v", target, info, err)
		}
		must(t, os.Remove(link))
	}
	must(t, os.Symlink("nowhere", filepath.Join(root, "etc/kubernetes/pki")))
	if err := At(root).Folder(filepath.Join(root, "etc/kubernetes/pki/etcd")); !Dangling(err) {
		t.Errorf("a link to nothing: %v", err)
	}
	must(t, os.Symlink("loop", filepath.Join(root, "loop")))
	if _, err := At(root).Stat(filepath.Join(root, "loop")); err == nil {
		t.Error("a link to itself was followed")
	}
	if _, err := At(root).Lstat(filepath.Join(filepath.Dir(root), "other")); err == nil {
		t.Error("a path beside the folder was taken")
	}
}

// However late a link is put there, nothing lands outside.
func TestLinkSwappedIn(t *testing.T) {
	top := t.TempDir()
	root, outside := filepath.Join(top, "root"), filepath.Join(top, "outside")
	pki, other := filepath.Join(root, "pki"), filepath.Join(root, "pki-x")
	must(t, os.MkdirAll(pki, 0o755))
	must(t, os.Mkdir(outside, 0o755))
	must(t, os.Symlink(outside, other))
	stop := make(chan struct{})
	var swapping sync.WaitGroup
	swapping.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				_ = unix.Renameat2(unix.AT_FDCWD, pki, unix.AT_FDCWD, other, unix.RENAME_EXCHANGE)
			}
		}
	})
	r, made := At(root), 0
	for range 3000 {
		f, name, err := r.CreateTemp(pki, "key-")
		if err != nil {
			continue
		}
		made++
		f.Close()
		_ = r.Rename(name, filepath.Join(pki, "key"))
		_ = r.RenameNoReplace(name, filepath.Join(pki, "key2"))
		_ = r.Link(filepath.Join(pki, "key"), filepath.Join(pki, "key3"))
		_ = r.Mkdir(filepath.Join(pki, "d"), 0o700)
	}
	close(stop)
	swapping.Wait()
	if entries, err := os.ReadDir(outside); err != nil || len(entries) > 0 {
		t.Errorf("outside: %v, %v", entries, err)
	}
	if made == 0 || made == 3000 {
		t.Errorf("%d of 3000 were made: nothing was raced", made)
	}
}

func TestLinkNoReplace(t *testing.T) {
	dir := t.TempDir()
	for _, r := range []*Root{nil, At(dir), At("/")} {
		a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
		for _, p := range []string{a, b} {
			must(t, os.WriteFile(p, []byte(p), 0o600))
		}
		if err := r.linkNoReplace(a, b); !errors.Is(err, fs.ErrExist) {
			t.Errorf("got %v, want fs.ErrExist", err)
		}
		if err := r.RenameNoReplace(a, b); !errors.Is(err, fs.ErrExist) {
			t.Errorf("got %v, want fs.ErrExist", err)
		}
		must(t, os.Remove(b))
		must(t, r.linkNoReplace(a, b))
		if data, err := os.ReadFile(b); err != nil || string(data) != a {
			t.Errorf("b holds %q, %v", data, err)
		}
		if _, err := os.Lstat(a); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a: %v, want it gone", err)
		}
	}
}

func TestExchange(t *testing.T) {
	dir := t.TempDir()
	for _, r := range []*Root{nil, At(dir)} {
		a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
		must(t, os.WriteFile(a, []byte("a"), 0o600))
		must(t, os.WriteFile(b, []byte("b"), 0o600))
		if err := r.Exchange(a, b); errors.Is(err, ErrNoExchange) {
			t.Skip("this file system does not exchange")
		} else {
			must(t, err)
		}
		for path, want := range map[string]string{a: "b", b: "a"} {
			if data, err := r.ReadFile(path); string(data) != want {
				t.Errorf("%s holds %q, %v", path, data, err)
			}
		}
	}
}

// TestReadFile: what is no file is not waited for, and not read for ever.
func TestReadFile(t *testing.T) {
	top := t.TempDir()
	at := func(name string) string { return filepath.Join(top, name) }
	must(t, os.WriteFile(at("file"), []byte("x"), 0o600))
	must(t, unix.Mkfifo(at("pipe"), 0o600))
	must(t, os.Mkdir(at("folder"), 0o700))
	must(t, os.WriteFile(at("large"), nil, 0o600))
	must(t, os.Truncate(at("large"), 1<<40))
	for name, r := range map[string]*Root{"a tree": At(top), "the machine": nil} {
		data, err := r.ReadFile(at("file"))
		if err != nil || string(data) != "x" {
			t.Errorf("%s: %q, %v", name, data, err)
		}
		for file, want := range map[string]string{
			"pipe": "is a named pipe, where a file belongs", "folder": "is a directory",
			"large": "has more than the 64 MiB that are read", "none": "no such file",
		} {
			if _, err := r.ReadFile(at(file)); err == nil || !strings.Contains(err.Error(), want) ||
				!strings.Contains(err.Error(), at(file)) {
				t.Errorf("%s: %s: %v", name, file, err)
			}
		}
	}
	var machine *Root
	if _, err := machine.ReadFile("/dev/zero"); err == nil || !strings.Contains(err.Error(), "is a device") {
		t.Error(err)
	}
}

// TestWalkIsBounded: folders in one another without end are an error, and soon.
func TestWalkIsBounded(t *testing.T) {
	top := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(top, strings.Repeat("d/", 1000)), 0o700))
	must(t, os.MkdirAll(filepath.Join(top, "well", strings.Repeat("d/", 60)), 0o700))
	for name, r := range map[string]*Root{"a tree": At(top), "the machine": nil} {
		seen := 0
		count := func(string, fs.DirEntry) error { seen++; return nil }
		err := r.Walk(top, count)
		if err == nil || !strings.Contains(err.Error(), "more than 64 folders in one another") || seen > 70 {
			t.Errorf("%s: %d folders, %v", name, seen, err)
		}
		if err := r.Walk(filepath.Join(top, "well"), count); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
