// Package installtest makes machines for the tests of what a node installs.
package installtest

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"officiant/bundle/bundletest"
	"officiant/bundle/durable"
	"officiant/bundle/install"
)

// Folder is a temporary folder, in memory where that is possible: the kill tests sync
// thousands of times, and it is not the disk they test.
func Folder(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "officiant-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// Asked is a machine below root, at bundletest's time, that has the keys and the identity
// of a node that asked for its certificates, and no bundle yet.
func Asked(t testing.TB, root string, who *bundletest.Node) *install.Node {
	t.Helper()
	n := &install.Node{Root: root, Disk: &durable.Disk{}, Now: func() time.Time { return bundletest.Now }}
	s := n.State()
	must(t, s.Init())
	must(t, s.WriteIdentity(who.Identity, who.Recipient))
	for name, key := range who.Keys {
		must(t, s.WriteKey(name, key))
	}
	return n
}

// Installed is an Asked machine with its first bundle in place.
func Installed(t testing.TB, root string, p *bundletest.PKI, who *bundletest.Node) *install.Node {
	t.Helper()
	n := Asked(t, root, who)
	_, err := n.Install(p.Bundle(t, who, 1), install.Options{Release: p.Release.Public()})
	must(t, err)
	return n
}

// Copy is a second machine of the same content, below another root.
func Copy(t testing.TB, n *install.Node, root string) *install.Node {
	t.Helper()
	must(t, filepath.WalkDir(n.Root, func(from string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(n.Root, from)
		if err != nil {
			return err
		}
		return copyOne(from, filepath.Join(root, rel), e)
	}))
	return &install.Node{Root: root, Disk: &durable.Disk{}, Now: n.Now}
}

func copyOne(from, to string, e fs.DirEntry) error {
	if e.Type()&fs.ModeSymlink != 0 {
		target, err := os.Readlink(from)
		if err != nil {
			return err
		}
		return os.Symlink(target, to)
	}
	if e.IsDir() {
		if err := os.MkdirAll(to, 0o755); err != nil {
			return err
		}
	} else {
		data, err := os.ReadFile(from)
		if err != nil {
			return err
		}
		if err := os.WriteFile(to, data, 0o600); err != nil {
			return err
		}
	}
	info, err := e.Info()
	if err != nil {
		return err
	}
	return os.Chmod(to, info.Mode().Perm())
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
