package install_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"officiant/bundle/bundletest"
	"officiant/bundle/durable"
	"officiant/bundle/install"
	"officiant/bundle/kubepki"
)

var errKilled = errors.New("killed")

// dyingDisk fails at operation n and, when the process is dead, at every later
// one. A write is torn: half of it lands.
func dyingDisk(n int, dead bool) *durable.Disk {
	count := 0
	return &durable.Disk{Gate: func(op durable.Op, _ string) error {
		count++
		switch {
		case count < n || count > n && !dead:
			return nil
		case count == n && op == "write":
			return durable.ErrTorn
		}
		return errKilled
	}}
}

const journal = install.StateDir + "/journal.json"

// killed runs act with every possible death, on copies of m. Each time the node
// is as it was, or has a journal; and again, without a death, finishes it.
func killed(t *testing.T, m machine, dead bool, act, again func(m machine) error) {
	t.Helper()
	old := files(t, m.Root)
	whole := m.copy(t)
	must(t, act(whole))
	fresh := files(t, whole.Root)
	for n := 1; ; n++ {
		c := m.copy(t)
		c.Disk = dyingDisk(n, dead)
		err := act(c)
		if err == nil {
			if n < 30 {
				t.Fatalf("only %d operations were gated", n)
			}
			return
		}
		if !errors.Is(err, errKilled) && !errors.Is(err, durable.ErrTorn) {
			t.Fatalf("operation %d: %v", n, err)
		}
		_, jerr := os.Stat(c.at(journal))
		now := files(t, c.Root, journal)
		done := len(unlike(fresh, now)) == 0
		if d := unlike(old, now); jerr != nil && len(d) > 0 && !done {
			t.Fatalf("operation %d: no journal, and these are neither old nor new: %v", n, d)
		}
		if (jerr == nil) != strings.Contains(err.Error(), "interrupted") && !done {
			t.Fatalf("operation %d: journal %v, but: %v", n, jerr, err)
		}
		if !dead && jerr != nil && len(temps(t, c.Root)) > 0 {
			t.Fatalf("operation %d failed, and left %v", n, temps(t, c.Root))
		}
		for path, content := range tree(t, c.Root) {
			if strings.Contains(content, "PRIVATE KEY") && !strings.HasPrefix(content, "-rw-------") {
				t.Fatalf("operation %d: %s holds a key with %s", n, path, content[:10])
			}
		}
		c.Disk = &durable.Disk{}
		if err := again(c); err != nil {
			t.Fatalf("operation %d, a second time: %v", n, err)
		}
		if d := unlike(fresh, files(t, c.Root)); len(d) > 0 {
			t.Fatalf("operation %d, finished: these are not as they should be: %v", n, d)
		}
		if left := temps(t, c.Root); len(left) > 0 {
			t.Fatalf("operation %d, finished: left %v", n, left)
		}
	}
}

func TestKilledInstall(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	for name, n := range map[string]kubepki.Node{"worker": bundletest.Worker(), "etcd": bundletest.EtcdOnly()} {
		m := newMachine(t, p, n)
		first, second := p.Bundle(t, m.who, 1), p.Bundle(t, m.who, 2)
		for mode, dead := range map[string]bool{"killed": true, "one failure": false} {
			if !dead && name == "etcd" {
				continue // no other operations than the worker's
			}
			t.Run(name+" first "+mode, func(t *testing.T) {
				t.Parallel()
				put := func(m machine) error {
					_, err := m.Install(first, install.Options{Release: p.Release.Public()})
					return err
				}
				killed(t, m, dead, put, put)
			})
			t.Run(name+" second "+mode, func(t *testing.T) {
				t.Parallel()
				has := m.copy(t)
				has.place(t, p, first)
				put := func(m machine) error {
					_, err := m.Install(second, install.Options{Release: p.Release.Public()})
					return err
				}
				killed(t, has, dead, put, put)
			})
		}
	}
}

func TestKilledControlPlane(t *testing.T) {
	t.Parallel()
	p := bundletest.New(t, bundletest.Cluster())
	m := newMachine(t, p, bundletest.First())
	m.place(t, p, p.Bundle(t, m.who, 1))
	second := p.Bundle(t, m.who, 2)
	put := func(m machine) error {
		_, err := m.Install(second, install.Options{Release: p.Release.Public()})
		return err
	}
	killed(t, m, true, put, put)
}

func TestKilledRollback(t *testing.T) {
	t.Parallel()
	p := bundletest.New(t, bundletest.Cluster())
	back := func(m machine) error { _, err := m.Rollback(false); return err }
	// Killed after its last word was on disk, it has nothing more to do.
	again := func(m machine) error {
		if err := back(m); !errors.Is(err, install.ErrNoWayBack) {
			return err
		}
		return nil
	}
	for _, n := range []kubepki.Node{bundletest.Worker(), bundletest.EtcdOnly()} {
		m := newMachine(t, p, n)
		m.place(t, p, p.Bundle(t, m.who, 1))
		m.place(t, p, p.Bundle(t, m.who, 2))
		killed(t, m, true, back, again)
		killed(t, m, false, back, again)
	}
}

// Whoever interrupts an install and asks for a rollback gets the state before it.
func TestRollbackOfAnInterruptedInstall(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	m := newMachine(t, p, bundletest.Worker())
	m.place(t, p, p.Bundle(t, m.who, 1))
	old := files(t, m.Root, pins, previous, rolledBack)
	second := p.Bundle(t, m.who, 2)
	for n := 1; ; n++ {
		c := m.copy(t)
		c.Disk = dyingDisk(n, true)
		if _, err := c.Install(second, install.Options{Release: p.Release.Public()}); err == nil {
			t.Fatal("no operation of the install leaves a journal")
		}
		if _, err := os.Stat(c.at(journal)); err != nil {
			continue
		}
		c.Disk = &durable.Disk{}
		v, err := c.Verify(install.VerifyOptions{Release: p.Release.Public()})
		must(t, err)
		if len(v.Findings) == 0 || !strings.Contains(v.Findings[0].Problem, "was interrupted") {
			t.Errorf("verify finds %v", v.Findings)
		}
		s, err := c.Status()
		must(t, err)
		if s.Interrupted != "install" {
			t.Errorf("status says %+v", s)
		}
		if _, err := c.Install(second, install.Options{Release: p.Release.Public(), DryRun: true}); err == nil {
			t.Error("a dry run went on")
		}
		r, err := c.Rollback(false)
		must(t, err)
		if r.Finished != "install" || r.Before != 2 || r.Sequence != 1 {
			t.Errorf("report %+v", r)
		}
		if d := unlike(old, files(t, c.Root, pins, previous, rolledBack)); len(d) > 0 {
			t.Errorf("these differ: %v", d)
		}
		return
	}
}

// A journal whose staged file somebody removed is reported, not guessed at.
func TestStagedFileGone(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	m := newMachine(t, p, bundletest.Worker())
	b := p.Bundle(t, m.who, 1)
	for n := 1; ; n++ {
		c := m.copy(t)
		c.Disk = dyingDisk(n, true)
		if _, err := c.Install(b, install.Options{Release: p.Release.Public()}); err == nil {
			t.Fatal("no operation of the install leaves a journal")
		}
		if _, err := os.Stat(c.at(journal)); err != nil {
			continue
		}
		for _, path := range temps(t, c.Root) {
			if strings.HasPrefix(path, "etc/kubernetes/pki/") {
				must(t, os.Remove(c.at(path)))
			}
		}
		c.Disk = &durable.Disk{}
		_, err := c.Install(b, install.Options{Release: p.Release.Public()})
		if err == nil || !strings.Contains(err.Error(), "is gone") {
			t.Errorf("error %v", err)
		}
		return
	}
}
