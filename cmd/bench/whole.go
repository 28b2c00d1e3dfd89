package main

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"officiant/bundle/phrase"
	"officiant/signer"
)

// place is where a ceremony's directory and token lie.
type place struct{ name, folder string }

// places are memory, or where temporary files lie, and a disk.
func (b *bench) places() ([]place, error) {
	folder, err := os.MkdirTemp(b.disk, "officiant-bench-disk-")
	if err != nil {
		return nil, err
	}
	return []place{{"in memory", b.folder}, {"on disk", folder}}, nil
}

// memoryMarks are the most that a whole run may have resident, in MiB, by size.
var memoryMarks = map[int]float64{10: 40, 1000: 48, 10000: 64, 100000: 96}

// whole measures whole ceremonies, and their verification, at several sizes.
func (b *bench) whole() (err error) {
	places, err := b.places()
	if err != nil {
		return err
	}
	disk := places[len(places)-1].folder
	defer func() { err = errors.Join(err, os.RemoveAll(disk)) }()
	b.printf("\nWhole ceremonies, P-256 CA: bundles, record and audit included; then ceremony verify\n")
	b.printf("  on disk: %s, on %s; in memory: as above.\n", b.disk, fileSystem(disk))
	b.printf("  %-7s %-10s %7s %7s %7s %7s %7s %7s %8s %8s %6s %6s %6s | %7s %7s %6s\n", "nodes", "", "read", "dry run",
		"copy",
		"issue", "bundles", "write", "audit", "run, s", "CPU", "MiB", "issued", "verify", "CPU", "MiB")
	for _, n := range b.sizes {
		planFile, err := b.cluster.workers(n, signer.ECDSAP256)
		if err != nil {
			return err
		}
		runs := map[string]float64{}
		for _, p := range places {
			if runs[p.name], err = b.wholeAt(n, p, planFile); err != nil {
				return err
			}
		}
		b.mark(fmt.Sprintf("a whole run of %d nodes on disk ÷ in memory", n), runs["on disk"]/runs["in memory"], 1.5, "")
	}
	b.printf("  MiB: resident at most (VmHWM), of the whole run, and up to the end of issuing.\n")
	return nil
}

// wholeAt is one ceremony of n nodes, and returns how long its run took, in seconds.
func (b *bench) wholeAt(n int, p place, planFile string) (float64, error) {
	t, err := b.newTokenIn(p.folder)
	if err != nil {
		return 0, err
	}
	c, err := b.conduct(planFile, t)
	if err != nil {
		return 0, err
	}
	v, err := b.verify(c)
	if err != nil {
		return 0, err
	}
	issued := 0
	for _, s := range c.steps {
		if s.is(issueStep) {
			issued = s.peak
		}
	}
	b.printf("  %-7d %-10s %7.2f %7.2f %7.2f %7.2f %7.2f %7.2f %8.2f %8.2f %6.2f %6d %6d | %7.2f %7.2f %6d\n", n, p.name,
		seconds(c.read), seconds(c.took(checkStep)), seconds(c.took(copyStep)), seconds(c.took(issueStep)),
		seconds(c.took(bundleStep+phrase.Count(n, "bundle"))), seconds(c.took(writeStep)), seconds(c.took(auditStep)),
		seconds(c.wall), seconds(c.cpu), c.memory>>10, issued>>10, seconds(v.wall), seconds(v.cpu), v.memory>>10)
	if p.folder == b.folder {
		b.wholeMarks(n, c, v)
		if err := b.beside(n, c, t); err != nil {
			return 0, err
		}
	}
	return seconds(c.wall), t.remove()
}

// mostArguments is how many requests openssl ca is given: it takes them as arguments.
const mostArguments = 20000

// beside has the same token sign alone, and openssl ca issue from the same requests.
func (b *bench) beside(n int, c *conducted, t *token) error {
	rates, err := t.rawRates(t.real, signer.ECDSAP256, rawTime, sessions...)
	if err != nil {
		return err
	}
	best := slices.Max(rates)
	b.printf("  %-7s %-10s the token alone: %.2f s for as many signatures", "", "", float64(n)/best)
	if b.openssl != "" || n > mostArguments {
		b.printf("\n")
		return nil
	}
	o, err := b.opensslCA(c, t, b.cluster.nodes[:n])
	if err != nil {
		return err
	}
	b.printf("; openssl ca: %.2f s, CPU %.2f; read and issue ÷ openssl ca: %.2f\n", seconds(o.wall), seconds(o.cpu),
		(seconds(c.read)+seconds(c.took(issueStep)))/seconds(o.wall))
	return nil
}

func (b *bench) wholeMarks(n int, c *conducted, v usage) {
	if most, ok := memoryMarks[n]; ok {
		b.mark(fmt.Sprintf("peak memory, a whole run of %d nodes", n), float64(c.memory)/1024, most, " MiB")
		b.mark(fmt.Sprintf("peak memory, ceremony verify of %d nodes", n), float64(v.memory)/1024, max(most, 64), " MiB")
	}
	if n == 1000 {
		b.mark("a whole run of 1000 nodes", seconds(c.wall), 1.2, " s")
		b.mark("ceremony verify of 1000 nodes", seconds(v.wall), 0.4, " s")
		b.mark("the same, processor seconds", seconds(v.cpu), 0.7, " s")
	}
}
