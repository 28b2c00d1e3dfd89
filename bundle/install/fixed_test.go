package install_test

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"officiant/bundle/bundletest"
	"officiant/bundle/durable"
	"officiant/bundle/install"
	"officiant/bundle/kubepki"
)

// A file that cannot be replaced, whichever it is, leaves all of them as they were,
// also when only the last moment shows it.
func TestOneFileCannotBeReplaced(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	m := newMachine(t, p, bundletest.First())
	m.place(t, p, p.Bundle(t, m.who, 1))
	second := p.Bundle(t, m.who, 2)
	old := files(t, m.Root)
	tried := 0
	for path := range old {
		if !strings.HasPrefix(path, "etc/kubernetes/") || strings.HasPrefix(path, "etc/kubernetes/manifests/") {
			continue
		}
		c := m.copy(t)
		moved := false
		c.Disk = &durable.Disk{Gate: func(op durable.Op, at string) error {
			if op == durable.OpRename && at == c.at(path) {
				moved = true
				return syscall.EBUSY
			}
			return nil
		}}
		_, err := c.Install(second, install.Options{Release: p.Release.Public()})
		if !moved {
			must(t, err)
			continue // it does not change
		}
		tried++
		if !errors.Is(err, syscall.EBUSY) || !strings.Contains(err.Error(), "install, nothing was changed: ") ||
			!strings.Contains(err.Error(), c.at(path)) {
			t.Errorf("%s: %v", path, err)
		}
		if d := append(unlike(old, files(t, c.Root)), temps(t, c.Root)...); len(d) > 0 {
			t.Errorf("%s: these are not as they were: %v", path, d)
		}
		c.Disk = &durable.Disk{}
		c.place(t, p, second)
		c.sound(t, p)
	}
	if tried < 10 {
		t.Errorf("only %d files were tried", tried)
	}
}

// What is known to be fixed is told before anything is written.
func TestFixedFile(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	const path = "etc/kubernetes/scheduler.conf"
	for name, c := range map[string]struct {
		want     string
		fix      func(at string) error
		loosened func(at string) error
	}{
		"immutable": {"is immutable", run("chattr", "+i"), run("chattr", "-i")},
		"appending": {"is append-only", run("chattr", "+a"), run("chattr", "-a")},
		"mounted": {"something is mounted on it",
			func(at string) error { return syscall.Mount(at, at, "", syscall.MS_BIND, "") },
			func(at string) error { return syscall.Unmount(at, 0) }},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, p, bundletest.First()).copyTo(t, t.TempDir())
			m.place(t, p, p.Bundle(t, m.who, 1))
			old, second := files(t, m.Root), p.Bundle(t, m.who, 2)
			if err := c.fix(m.at(path)); err != nil {
				t.Skipf("not possible here: %v", err)
			}
			loose := func() { _ = c.loosened(m.at(path)) }
			t.Cleanup(loose)
			_, err := m.Install(second, install.Options{Release: p.Release.Public()})
			if err == nil || !strings.Contains(err.Error(), "nothing was changed: "+m.at(path)+" cannot be replaced: ") ||
				!strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v", err)
			}
			if d := append(unlike(old, files(t, m.Root)), temps(t, m.Root)...); len(d) > 0 {
				t.Errorf("these are not as they were: %v", d)
			}
			loose()
			m.place(t, p, second)
			m.sound(t, p)
		})
	}
}

func run(name, flag string) func(at string) error {
	return func(at string) error {
		if os.Getuid() != 0 {
			return errors.New("only root can")
		}
		return exec.Command(name, flag, at).Run()
	}
}

// A file keeps its owner when it is replaced, and etcd's own may be etcd's.
func TestInstallKeepsOwners(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	m := newMachine(t, p, bundletest.EtcdOnly())
	m.place(t, p, p.Bundle(t, m.who, 1))
	const path = "etc/kubernetes/pki/etcd/server.crt"
	chowned(path)(t, p, m)
	m.place(t, p, p.Bundle(t, m.who, 2))
	if uid := userOf(t, m.at(path)); uid != 4711 {
		t.Errorf("it belongs to %d", uid)
	}
	m.sound(t, p)
}

// What a rollback brings back belongs to whom it belonged, also where the install had
// taken it away, and where its process was killed.
func TestRollbackKeepsOwners(t *testing.T) {
	c := bundletest.Cluster()
	c.ExternalEtcd = true
	p := bundletest.New(t, c)
	for name, roles := range map[string][]kubepki.Role{
		"replaced": {kubepki.ControlPlane, kubepki.Etcd}, "taken away": {kubepki.ControlPlane},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, p, bundletest.First())
			m.place(t, p, p.Bundle(t, m.who, 1))
			of := map[string]int{}
			for i, file := range []string{"server.crt", "server.key", "peer.crt", "peer.key"} {
				of["etc/kubernetes/pki/etcd/"+file] = 4711 + i%2
			}
			for path, uid := range of {
				chowned(path)(t, p, m)
				must(t, os.Chown(m.at(path), uid, uid+1))
			}
			m.who.Node.Roles, m.who.Keys = roles, maps.Clone(m.who.Keys)
			m.place(t, p, p.Bundle(t, m.who, 2))
			died := errors.New("killed")
			for at := 1; ; at++ {
				k, n := m.copyWithOwners(t), 0
				k.Disk = &durable.Disk{Gate: func(durable.Op, string) error {
					if n++; n >= at {
						return died
					}
					return nil
				}}
				_, err := k.Rollback(false)
				if err != nil {
					k.Disk = &durable.Disk{}
					if _, again := k.Rollback(false); again != nil && !errors.Is(again, install.ErrNoWayBack) {
						t.Fatalf("killed at %d, again: %v", at, again)
					}
				}
				for path, uid := range of {
					if got := userOf(t, k.at(path)); got != uid {
						t.Errorf("killed at %d: %s belongs to %d, not %d", at, path, got, uid)
					}
				}
				if err == nil {
					if at < 10 {
						t.Errorf("a rollback of %d operations", at)
					}
					return
				}
			}
		})
	}
}

// copyWithOwners is copy, which leaves everything to whoever copies.
func (m machine) copyWithOwners(t *testing.T) machine {
	t.Helper()
	c := m.copy(t)
	must(t, filepath.WalkDir(m.Root, func(at string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(m.Root, at)
		if err != nil {
			return err
		}
		info, err := os.Stat(at)
		if err != nil {
			return err
		}
		st := info.Sys().(*syscall.Stat_t)
		return os.Lchown(filepath.Join(c.Root, name), int(st.Uid), int(st.Gid))
	}))
	return c
}
