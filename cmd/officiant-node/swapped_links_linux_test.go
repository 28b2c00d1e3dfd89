package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"officiant/bundle/bundletest"
	"officiant/bundle/durable"
	"officiant/cmd/internal/exit"
)

// outsider is text that only files outside of the root hold.
const outsider = "of somebody else"

// rooted is a command that works below --root, and the tree it begins with.
type rooted struct {
	from   string
	args   []string
	writes bool
}

func rootedCommands(t *testing.T) []rooted {
	t.Helper()
	d := newDesk(t, bundletest.First())
	one, two := d.bundle(1), d.bundle(2)
	untouched := filepath.Join(t.TempDir(), "root")
	first := filepath.Join(t.TempDir(), "root")
	d.must(os.CopyFS(untouched, os.DirFS(d.root)))
	mirror := t.TempDir()
	data, err := os.ReadFile(two + ".tar")
	d.must(err)
	d.must(os.WriteFile(filepath.Join(mirror, "cp-1.tar"), data, 0o600))
	key := []string{"--release-key", d.release}
	d.run(exit.Done, "installed", append([]string{"install", one, "--root", d.root}, key...)...)
	d.must(os.CopyFS(first, os.DirFS(d.root)))
	d.run(exit.Done, "installed", append([]string{"install", two, "--root", d.root}, key...)...)
	return []rooted{
		{untouched, append([]string{"install", one + ".tar"}, key...), true},
		{first, append([]string{"sync", "--once", "--from", mirror}, key...), true},
		{d.root, []string{"rollback"}, true},
		{untouched, []string{"request", "--roles", "worker", "--name", "w", "--cluster", "demo",
			"--kubernetes-version", "v1.37.2", "--control-plane-endpoint", "api.demo.test:6443"}, true},
		{d.root, append([]string{"verify"}, key...), false},
		{d.root, []string{"status"}, false},
	}
}

// linkFolders are those that are exchanged for a link.
var linkFolders = []string{
	"etc/kubernetes", "etc/kubernetes/pki", "etc/kubernetes/pki/etcd", "var/lib", "var/lib/officiant-node",
}

// TestLinksSwapped: whoever owns the tree below --root exchanges a folder with a link,
// back and forth, while a command works there. It may fail; it reads and writes nothing
// outside.
func TestLinksSwapped(t *testing.T) {
	noticed, done, tries := 0, 0, 9
	if testing.Short() {
		tries = 3
	}
	for i, c := range rootedCommands(t) {
		for j, folder := range linkFolders {
			for try := range tries {
				s := newSwap(t, c.from, folder)
				pause := time.Duration(50<<((i+j+try)%9)) * time.Microsecond
				code, said := s.during(t, pause, c.args)
				if strings.Contains(said, "leads out of") {
					noticed++
				}
				if code == exit.Done {
					done++
				}
				s.harmless(t, strings.Join(c.args, " ")+" with "+folder, said)
			}
		}
	}
	if noticed == 0 || done == 0 {
		t.Errorf("%d commands met the link, %d went through: nothing was raced", noticed, done)
	}
	t.Logf("%d commands met the link, %d went through", noticed, done)
	s := newSwap(t, t.TempDir(), linkFolders[0])
	if err := errors.Join(s.exchange(), os.WriteFile(filepath.Join(s.folder, "x"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if s.listed(t) == s.before {
		t.Error("a file that somebody writes through the link goes unnoticed")
	}
}

// TestLinkAtAnOperation is the same, with a link that is put there just before a write,
// rename or sync, and stays.
func TestLinkAtAnOperation(t *testing.T) {
	const step = 17
	for _, c := range rootedCommands(t) {
		if !c.writes {
			continue
		}
		for i, folder := range linkFolders {
			at := 1 + 3*i
			for ; ; at += step {
				s, n := newSwap(t, c.from, folder), 0
				gate := func(durable.Op, string) error {
					if n++; n == at {
						return s.exchange()
					}
					return nil
				}
				_, said := s.run(t, &durable.Disk{Gate: gate}, c.args)
				s.harmless(t, fmt.Sprintf("%s with %s at operation %d", c.args[0], folder, at), said)
				if n < at {
					break
				}
			}
			if at < 10 {
				t.Errorf("%s has only %d operations", c.args[0], at)
			}
		}
	}
}

// swap is a copy of a node's tree in which a folder is exchanged with a link to one
// outside, back and forth.
type swap struct {
	root, outside, folder, link string
	before                      string
}

func newSwap(t *testing.T, from, folder string) *swap {
	t.Helper()
	top := t.TempDir()
	s := &swap{root: filepath.Join(top, "root"), outside: filepath.Join(top, "outside")}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.CopyFS(s.root, os.DirFS(from)))
	s.folder = filepath.Join(s.root, folder)
	must(os.MkdirAll(s.folder, 0o755))
	must(os.MkdirAll(s.outside, 0o755))
	must(filepath.WalkDir(s.folder, func(at string, e os.DirEntry, err error) error {
		name, _ := filepath.Rel(s.folder, at)
		if err != nil || name == "." {
			return err
		}
		if e.IsDir() {
			return os.Mkdir(filepath.Join(s.outside, name), 0o755)
		}
		return os.WriteFile(filepath.Join(s.outside, name), []byte(outsider), 0o644)
	}))
	s.link = s.folder + "-x"
	must(os.Symlink(s.outside, s.link))
	s.before = s.listed(t)
	return s
}

func (s *swap) listed(t *testing.T) string { return (&desk{t: t}).below(s.outside) }

func (s *swap) exchange() error {
	return unix.Renameat2(unix.AT_FDCWD, s.folder, unix.AT_FDCWD, s.link, unix.RENAME_EXCHANGE)
}

// during runs a command while the folder is exchanged.
func (s *swap) during(t *testing.T, pause time.Duration, args []string) (int, string) {
	t.Helper()
	stop := make(chan struct{})
	var swapping sync.WaitGroup
	swapping.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(pause):
				_ = s.exchange()
			}
		}
	})
	code, said := s.run(t, &durable.Disk{}, args)
	close(stop)
	swapping.Wait()
	return code, said
}

func (s *swap) run(t *testing.T, disk *durable.Disk, args []string) (int, string) {
	t.Helper()
	args = append(slices.Clone(args), "--root", s.root)
	if args[0] == "request" {
		args = append(args, "--out", filepath.Join(t.TempDir(), "x.req"))
	}
	var stdout, talk bytes.Buffer
	o := &options{
		Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &talk, Disk: disk,
		Now: func() time.Time { return bundletest.Now }, Version: "test", Rand: rand.Reader, Program: runProgram,
	}
	code := execute(context.Background(), o, args)
	return code, stdout.String() + talk.String()
}

// harmless wants everything outside as it was, and nothing of it told.
func (s *swap) harmless(t *testing.T, what, said string) {
	t.Helper()
	if s.listed(t) != s.before {
		t.Errorf("%s: files outside of the root are not as they were\n%s", what, said)
	}
	if strings.Contains(said, outsider) {
		t.Errorf("%s: tells what a file outside holds\n%s", what, said)
	}
}
