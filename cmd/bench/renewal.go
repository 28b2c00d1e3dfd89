package main

import (
	"fmt"
	"os"
	"path/filepath"

	"officiant/bundle/phrase"
)

// renewal measures the plan that renews every certificate of a finished
// ceremony: how long it takes to make, to check, to carry out and to verify.
func (b *bench) renewal() error {
	planFile, err := b.cluster.workers(b.renewed, "ECDSA-P256")
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
	next := filepath.Join(t.folder, "next", "plan.yaml")
	if err := os.Mkdir(filepath.Dir(next), 0o755); err != nil {
		return err
	}
	b.printf("\nRenewal: a plan of %s, after a ceremony of as many\n\n", phrase.Count(b.renewed, "node"))
	b.printf("  %-22s  %8s  %8s  %8s\n", "", "seconds", "CPU", "MiB")
	sum, most := 0.0, 0
	for _, args := range [][]string{
		{"renew", c.dir, "--within", "2y", "--out", next}, {"check", next, "-o", "json"},
	} {
		u, err := program{name: b.officiant, env: os.Environ(), args: append([]string{"ceremony"}, args...)}.run()
		if err != nil {
			return err
		}
		b.printf("  %-22s  %8.2f  %8.2f  %8d\n", "ceremony "+args[0], seconds(u.wall), seconds(u.cpu), u.memory/1024)
		sum, most = sum+seconds(u.wall), max(most, u.memory)
	}
	if err := b.carryOut(t, next); err != nil {
		return err
	}
	b.mark(fmt.Sprintf("a renewal plan of %d nodes made and checked", b.renewed), sum, 2, " s")
	b.mark("the same, peak memory", float64(most)/1024, 64, " MiB")
	return t.remove()
}

// carryOut runs the plan that renews, and verifies what came of it.
func (b *bench) carryOut(t *token, planFile string) error {
	c, err := b.conductIn(planFile, t, filepath.Join(filepath.Dir(planFile), "ceremony"))
	if err != nil {
		return err
	}
	v, err := b.verify(c)
	if err != nil {
		return err
	}
	for _, one := range []struct {
		what    string
		took    usage
		seconds float64
	}{{"run", c.usage, 15}, {"verify", v, 5}} {
		what := fmt.Sprintf("ceremony %s of it", one.what)
		b.printf("  %-22s  %8.2f  %8.2f  %8d\n", what, seconds(one.took.wall), seconds(one.took.cpu),
			one.took.memory/1024)
		if b.renewed == 10000 { // the size that the marks are of
			b.mark("a renewal of 10000 nodes, "+what, seconds(one.took.wall), one.seconds, " s")
			b.mark("the same, peak memory", float64(one.took.memory)/1024, 64, " MiB")
		}
	}
	return nil
}
