package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// renewal measures the plan that renews every certificate of a finished
// ceremony: how long it takes to make, and to check.
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
	b.printf("\nRenewal: a plan of %s, after a ceremony of as many\n\n", plural(b.renewed, "node"))
	b.printf("  %-22s  %8s  %8s  %8s\n", "", "seconds", "CPU", "MiB")
	sum := 0.0
	for _, args := range [][]string{
		{"renew", c.dir, "--within", "2y", "--out", next}, {"check", next, "-o", "json"},
	} {
		u, err := program{name: b.officiant, env: os.Environ(), args: append([]string{"ceremony"}, args...)}.run()
		if err != nil {
			return err
		}
		b.printf("  %-22s  %8.2f  %8.2f  %8d\n", "ceremony "+args[0], seconds(u.wall), seconds(u.cpu), u.memory/1024)
		sum += seconds(u.wall)
	}
	b.mark(fmt.Sprintf("a renewal plan of %d nodes made and checked", b.renewed), sum, 10, "s")
	return t.remove()
}
