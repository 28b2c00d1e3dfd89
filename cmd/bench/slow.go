package main

import (
	"fmt"

	"officiant/signer"
)

const (
	slowMicroseconds = 20_000
	setRounds        = 5
)

// slowToken measures a token that needs 20 ms for a signature and allows few
// sessions: the device in the room, more than SoftHSM is.
func (b *bench) slowToken() error {
	n := b.slowN
	b.printf("\nA token that takes %d ms for a signature: %d kubelet certificates, P-256\n", slowMicroseconds/1000, n)
	b.printf("  %-12s %9s %9s %9s %9s\n", "sessions", "floor/k", "seconds", "× floor", "bundles")
	planFile, err := b.cluster.workers(n, signer.ECDSAP256)
	if err != nil {
		return err
	}
	worst := 0.0
	for _, k := range sessions {
		t, err := b.newToken()
		if err != nil {
			return err
		}
		t.microseconds, t.sessions = slowMicroseconds, k
		c, err := b.conduct(planFile, t)
		if err != nil {
			return err
		}
		floor := float64(n) * slowMicroseconds / 1e6 / float64(k)
		took := seconds(c.took(issueStep))
		b.printf("  %-12d %9.3f %9.3f %9.2f %9.3f\n", k, floor, took, took/floor, seconds(c.took(bundleStep+plural(n, "bundle"))))
		worst = max(worst, took/floor)
		if err := t.remove(); err != nil {
			return err
		}
	}
	b.mark("a 20 ms token with 1, 2, 4 and 8 sessions, over floor/k", worst, 1.1, "×")
	return nil
}

// wholeSet measures a whole ceremony for one control-plane node: five keys
// made in the token, root, three intermediates, all leaves, bundle, audit.
func (b *bench) wholeSet() error {
	planFile, err := b.cluster.oneNode()
	if err != nil {
		return err
	}
	var walls []float64
	for range setRounds {
		t, err := b.newToken()
		if err != nil {
			return err
		}
		c, err := b.conduct(planFile, t)
		if err != nil {
			return err
		}
		walls = append(walls, seconds(c.wall))
		if err := t.remove(); err != nil {
			return err
		}
	}
	b.printf("\nA whole set for one control-plane node with etcd, P-256, five keys made in the token: %.3f s (median of %d)\n", median(walls), setRounds)
	b.mark("a whole one-node set", median(walls), 0.2, " s")
	return nil
}

// memory measures the peak of a ceremony and of its audit, by size.
func (b *bench) memory() error {
	b.printf("\nPeak resident memory, P-256 CA, MiB\n")
	b.printf("  %-12s %11s %11s %11s %11s %9s\n", "leaves", "read", "issued", "whole run", "verify", "run, s")
	most := 0
	for _, n := range b.sizes {
		planFile, err := b.cluster.workers(n, signer.ECDSAP256)
		if err != nil {
			return err
		}
		t, err := b.newToken()
		if err != nil {
			return err
		}
		c, err := b.conduct(planFile, t)
		if err != nil {
			return err
		}
		v, err := b.verify(c)
		if err != nil {
			return err
		}
		read, issued := 0, 0
		for i, s := range c.steps {
			if i == 0 {
				read = s.before
			}
			if s.is(issueStep) {
				issued = s.peak
			}
		}
		b.printf("  %-12s %11d %11d %11d %11d %9.2f\n", fmt.Sprint(n), read>>10, issued>>10, c.memory>>10, v.memory>>10, seconds(c.wall))
		most = max(most, c.memory)
		if err := t.remove(); err != nil {
			return err
		}
	}
	b.mark("peak resident memory, at every size", float64(most)/1024, 40, " MiB")
	return nil
}
