package main

import (
	"runtime"
	"slices"
	"time"

	"officiant/bundle/phrase"
	"officiant/signer"
)

// Titles of the steps that are reported, as Steps begins them.
const (
	checkStep  = "Check every entry"
	copyStep   = "Copy the plan"
	issueStep  = "Issue "
	bundleStep = "Sign "
	writeStep  = "Write "
	auditStep  = "Verify "
)

// round is one ceremony of workers, openssl ca with the same key and requests,
// and the bare token.
type round struct {
	ours    *conducted
	openssl usage
	verify  usage
	raw     []float64 // signatures in a second, by sessions
	child   float64   // through the module's own process
	pairs   []pair    // of both, P-256
}

// sessions are the numbers of sessions a token is measured with.
var sessions = []int{1, 2, 4, 8}

// rawTime is how long the bare token is measured with each number of sessions.
const rawTime = 500 * time.Millisecond

// So often, and so long each time, it is measured beside the module's process.
const (
	besidePairs = 6
	besideTime  = time.Second
)

// rates measures each algorithm and prints the tables.
func (b *bench) rates() error {
	all := map[signer.Algorithm][]round{}
	// Rounds go over all algorithms, so that a slow minute is in each one's.
	for range b.rounds {
		for _, a := range algorithms {
			r, err := b.round(a)
			if err != nil {
				return err
			}
			all[a] = append(all[a], r)
		}
	}
	b.printRaw(all)
	b.printIssue(all)
	b.printParts(all)
	b.rateMarks(all)
	return nil
}

func (b *bench) round(a signer.Algorithm) (r round, err error) {
	planFile, err := b.cluster.workers(b.n, a)
	if err != nil {
		return r, err
	}
	t, err := b.newToken()
	if err != nil {
		return r, err
	}
	if r.ours, err = b.conduct(planFile, t); err != nil {
		return r, err
	}
	if b.openssl == "" {
		if r.openssl, err = b.opensslCA(r.ours, t, b.cluster.nodes[:b.n]); err != nil {
			return r, err
		}
	}
	if r.verify, err = b.verify(r.ours); err != nil {
		return r, err
	}
	if r.raw, err = t.rawRates(t.real, a, rawTime, sessions...); err != nil {
		return r, err
	}
	if a == signer.ECDSAP256 {
		if r.pairs, err = t.beside(t.real, besidePairs, besideTime); err != nil {
			return r, err
		}
	}
	if s, err := t.childRate(t.real, rawTime); err == nil {
		r.child = s.rate
	} else {
		return r, err
	}
	return r, t.remove()
}

// of is the median over rounds.
func of(rounds []round, figure func(round) float64) float64 {
	var all []float64
	for _, r := range rounds {
		all = append(all, figure(r))
	}
	return median(all)
}

// ofPairs is the median over a round's pairs.
func ofPairs(r round, figure func(pair) float64) float64 {
	var all []float64
	for _, p := range r.pairs {
		all = append(all, figure(p))
	}
	return median(all)
}

// The figures of a round. read holds the process's start, the plan, and the
// proofs and signatures in the requests.
func issueTime(r round) float64   { return seconds(r.ours.took(issueStep)) }
func readTime(r round) float64    { return seconds(r.ours.read) }
func bestRaw(r round) float64     { return slices.Max(r.raw) }
func issueRate(r round) float64   { return float64(r.ours.leaves) / issueTime(r) }
func byChild(r round) float64     { return ofPairs(r, pair.byRate) }
func byChildCPU(r round) float64  { return ofPairs(r, pair.byCPU) }
func perRaw(r round) float64      { return issueRate(r) / bestRaw(r) }
func issueCPU(r round) float64    { return seconds(r.ours.worked(issueStep)) }
func opensslTime(r round) float64 { return seconds(r.openssl.wall) }
func opensslCPU(r round) float64  { return seconds(r.openssl.cpu) }
func byCPU(r round) float64       { return issueCPU(r) / float64(runtime.NumCPU()) / opensslCPU(r) }
func perOpenssl(r round) float64  { return issueTime(r) / opensslTime(r) }
func allPerOpenssl(r round) float64 {
	return (readTime(r) + issueTime(r)) / opensslTime(r)
}
func callsEach(r round) float64  { return float64(r.ours.calls(issueStep)) / float64(r.ours.leaves) }
func verifyTime(r round) float64 { return seconds(r.verify.wall) }

func (b *bench) printRaw(all map[signer.Algorithm][]round) {
	b.printf("\nThe token alone: C_SignInit and C_Sign, signatures a second\n")
	b.printf("  %-12s", "CA key")
	for _, n := range sessions {
		b.printf(" %10s", phrase.Count(n, "session"))
	}
	b.printf(" %14s", "through child")
	b.printf("\n")
	for _, a := range algorithms {
		b.printf("  %-12s", a)
		for i := range sessions {
			b.printf(" %10.0f", of(all[a], func(r round) float64 { return r.raw[i] }))
		}
		b.printf(" %14.0f", of(all[a], func(r round) float64 { return r.child }))
		b.printf("\n")
	}
}

func (b *bench) printIssue(all map[signer.Algorithm][]round) {
	b.printf("\n%d kubelet certificates: check, lint, intent, sign, verify, record\n", b.n)
	b.printf("  %-12s %8s %7s %9s %7s %11s %7s %9s %7s %7s %9s\n", "CA key", "seconds", "CPU", "leaves/s", "of raw", "openssl ca", "CPU", "× openssl", "by CPU", "calls", "peak")
	for _, a := range algorithms {
		r := all[a]
		b.printf("  %-12s %8.3f %7.2f %9.0f %6.0f%% ", a, of(r, issueTime), of(r, issueCPU), of(r, issueRate), 100*of(r, perRaw))
		if b.openssl == "" {
			b.printf("%11.3f %7.2f %9.2f %7.2f ", of(r, opensslTime), of(r, opensslCPU), of(r, perOpenssl), of(r, byCPU))
		} else {
			b.printf("%11s %7s %9s %7s ", "-", "-", "-", "-")
		}
		b.printf("%7.3f %5.0f MiB\n", of(r, callsEach), of(r, peak))
	}
	b.printf("  of raw: of the token's best rate above; CPU: processor seconds; by CPU: what × openssl\n")
	b.printf("  comes to when all processors are free; calls: PKCS#11 calls for each certificate; peak:\n")
	b.printf("  resident memory of the whole ceremony, at most.\n")
}

func peak(r round) float64 { return float64(r.ours.memory) / 1024 }

func (b *bench) printParts(all map[signer.Algorithm][]round) {
	b.printf("\nThe other parts of the same ceremonies, seconds\n")
	parts := []struct {
		name string
		took func(round) float64
	}{
		{"read", readTime},
		{"dry run", func(r round) float64 { return seconds(r.ours.took(checkStep)) }},
		{"copy", func(r round) float64 { return seconds(r.ours.took(copyStep)) }},
		{"bundles", func(r round) float64 { return seconds(r.ours.took(bundleStep + phrase.Count(b.n, "bundle"))) }},
		{"write", func(r round) float64 { return seconds(r.ours.took(writeStep)) }},
		{"audit", func(r round) float64 { return seconds(r.ours.took(auditStep)) }},
		{"whole run", func(r round) float64 { return seconds(r.ours.wall) }},
		{"verify", verifyTime},
		{"CPU", func(r round) float64 { return seconds(r.verify.cpu) }},
	}
	b.printf("  %-12s", "CA key")
	for _, p := range parts {
		b.printf(" %9s", p.name)
	}
	b.printf("\n")
	for _, a := range algorithms {
		b.printf("  %-12s", a)
		for _, p := range parts {
			b.printf(" %9.3f", of(all[a], p.took))
		}
		b.printf("\n")
	}
	b.printf("  read: start, plan, proofs in the requests; dry run: the schedule with throw-away keys;\n")
	b.printf("  copy: plan and requests into the ceremony's directory, read again; bundles: put together,\n")
	b.printf("  checked, signed; audit: the run's last step; verify: officiant ceremony verify, a process, and\n")
	b.printf("  its processor seconds.\n")
}

func (b *bench) rateMarks(all map[signer.Algorithm][]round) {
	for _, m := range []struct {
		a    signer.Algorithm
		most float64
	}{{signer.ECDSAP256, 1}, {signer.ECDSAP384, 1}, {signer.RSA4096, 0.7}} {
		if b.openssl == "" {
			b.mark("issuing by a "+string(m.a)+" CA, beside openssl ca", of(all[m.a], perOpenssl), m.most, "×")
			b.mark("  the same by processor time, as on a machine with nothing else to do", of(all[m.a], byCPU), m.most, "×")
			b.mark("  the same with reading the plan and the requests' proofs", of(all[m.a], allPerOpenssl), m.most, "×")
		}
	}
	b.mark("the bare token's rate beside that through the module's process, P-256",
		of(all[signer.ECDSAP256], byChild), 1.05, "×")
	b.mark("  the same by processor time, as on a machine with nothing else to do",
		of(all[signer.ECDSAP256], byChildCPU), 1.05, "×")
	worst := 0.0
	for _, a := range algorithms {
		worst = max(worst, of(all[a], callsEach))
	}
	b.mark("PKCS#11 calls for each certificate", worst, 2.2, "")
	b.mark(phrase.Count(b.n, "certificate")+" verified, P-256 CA", of(all[signer.ECDSAP256], verifyTime),
		0.4*float64(b.n)/1000, " s")
}
