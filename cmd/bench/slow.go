package main

import (
	"time"

	"officiant/bundle/phrase"
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
	b.printf("  %-12s %9s %9s %9s %9s %9s %9s\n", "sessions", "floor/k", "bare", "seconds", "× floor", "× bare", "bundles")
	planFile, err := b.cluster.workers(n, signer.ECDSAP256)
	if err != nil {
		return err
	}
	worst, overBare := 0.0, 0.0
	for _, k := range sessions {
		floor := float64(n) * slowMicroseconds / 1e6 / float64(k)
		var took, bare, ratio, bundles []float64
		for range b.rounds {
			c, alone, err := b.slowRound(planFile, n, k)
			if err != nil {
				return err
			}
			issued := seconds(c.took(issueStep))
			took, bare, ratio = append(took, issued), append(bare, alone), append(ratio, issued/alone)
			bundles = append(bundles, seconds(c.took(bundleStep+phrase.Count(n, "bundle"))))
		}
		b.printf("  %-12d %9.3f %9.3f %9.3f %9.2f %9.2f %9.3f\n", k, floor, median(bare), median(took), median(took)/floor,
			median(ratio), median(bundles))
		worst, overBare = max(worst, median(took)/floor), max(overBare, median(ratio))
	}
	b.printf("  floor/k: %d × %d ms / sessions; bare: the same number of C_SignInit and C_Sign, on this machine now.\n",
		n, slowMicroseconds/1000)
	b.mark("a 20 ms token with 1, 2, 4 and 8 sessions, over floor/k", worst, 1.1, "×")
	b.mark("  the same over the bare token, on this machine now", overBare, 1.1, "×")
	return nil
}

// slowRound is a ceremony on a slow token with k sessions, and how many seconds
// the token alone takes for n signatures.
func (b *bench) slowRound(planFile string, n, k int) (*conducted, float64, error) {
	t, err := b.newToken()
	if err != nil {
		return nil, 0, err
	}
	t.microseconds, t.sessions = slowMicroseconds, k
	c, err := b.conduct(planFile, t)
	if err != nil {
		return nil, 0, err
	}
	rates, err := t.rawRates(t.module, signer.ECDSAP256, time.Second, k)
	if err != nil {
		return nil, 0, err
	}
	return c, float64(n) / rates[0], t.remove()
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
	b.printf("\nA whole set for one control-plane node with etcd, P-256, five keys made in the token: %.3f s (median "+
		"of %d)\n", median(walls), setRounds)
	b.mark("a whole one-node set", median(walls), 0.2, " s")
	return nil
}
