package install_test

import (
	"errors"
	"testing"

	"officiant/bundle"
	"officiant/bundle/bundletest"
	"officiant/bundle/durable"
	"officiant/bundle/install"
	"officiant/bundle/kubepki"
)

// Whenever the power fails during an install, the node is as before or as after.
func TestPowerCutDuringInstall(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	for _, n := range []kubepki.Node{bundletest.First(), bundletest.EtcdOnly(), bundletest.Worker()} {
		ways := 4
		if n.First {
			ways = 2 // the smaller nodes fail in more ways
		}
		m := newMachine(t, p, n)
		one, two := p.Bundle(t, m.who, 1), p.Bundle(t, m.who, 2)
		put := func(b *bundle.Bundle) func(m machine) error {
			return func(m machine) error {
				_, err := m.Install(b, install.Options{Release: p.Release.Public()})
				return err
			}
		}
		t.Run(n.Name+" first", func(t *testing.T) {
			t.Parallel()
			must(t, powerCuts(t, m, cut{act: put(one), again: put(one), ways: ways}))
		})
		t.Run(n.Name+" second", func(t *testing.T) {
			t.Parallel()
			has := m.copy(t)
			has.place(t, p, one)
			must(t, powerCuts(t, has, cut{act: put(two), again: put(two), bare: files(t, m.Root, skipped...), ways: ways}))
		})
	}
}

func TestPowerCutDuringRollback(t *testing.T) {
	t.Parallel()
	p := bundletest.New(t, bundletest.Cluster())
	back := func(m machine) error { _, err := m.Rollback(false); return err }
	again := func(m machine) error {
		if err := back(m); !errors.Is(err, install.ErrNoWayBack) {
			return err
		}
		return nil
	}
	for _, n := range []kubepki.Node{bundletest.First(), bundletest.EtcdOnly(), bundletest.Worker()} {
		m := newMachine(t, p, n)
		m.place(t, p, p.Bundle(t, m.who, 1))
		m.place(t, p, p.Bundle(t, m.who, 2))
		must(t, powerCuts(t, m, cut{act: back, again: again, ways: 3}))
	}
}

// The two tests above would see an install that leaves out a sync.
func TestPowerCutsCanFail(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	m := newMachine(t, p, bundletest.Worker())
	b := p.Bundle(t, m.who, 1)
	put := func(m machine) error {
		_, err := m.Install(b, install.Options{Release: p.Release.Public()})
		return err
	}
	for _, op := range []durable.Op{durable.OpSync, durable.OpSyncDir} {
		if err := powerCuts(t, m, cut{act: put, again: put, ways: 4, deaf: op}); err == nil {
			t.Errorf("without %s nothing is lost", op)
		}
	}
}
