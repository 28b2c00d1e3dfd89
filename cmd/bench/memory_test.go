//go:build cgo

package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"officiant/signer"
	"officiant/softhsm"
)

// growth is what 2,000 nodes may take above what 200 take, in KiB, of a whole process.
const growth = 8 << 10

// tries is how often it may be measured: how much garbage there is at the worst instant is
// chance, and more of it on a busy machine. What is kept of a node shows each time.
const tries = 3

// TestMemoryOfProcesses runs and verifies ceremonies as people do, by the program without
// clouds, and has the kernel say what each process had resident at most. What it keeps of a
// node has to stay small: of the 1,800 nodes more, 4.6 KiB each are too much.
func TestMemoryOfProcesses(t *testing.T) {
	if testing.Short() {
		t.Skip("two thousand nodes")
	}
	b := &bench{folder: t.TempDir(), out: io.Discard}
	var err error
	if b.softhsm, err = softhsm.Find(); err != nil {
		if os.Getenv("OFFICIANT_REQUIRE_SOFTHSM") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	if b.module, err = buildModule(b.folder); err != nil {
		t.Fatal(err)
	}
	b.officiant = filepath.Join(b.folder, "officiant")
	build := exec.Command("go", "build", "-tags", "airgap", "-o", b.officiant, "officiant/cmd/officiant")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Setenv("SOFTHSM2_CONF", os.DevNull) // put back after the test
	const few, many = 200, 2000
	if b.cluster, err = newCluster(filepath.Join(b.folder, "cluster"), many); err != nil {
		t.Fatal(err)
	}
	for try := range tries {
		var over []string
		for what, peak := range b.peaks(t, few, many) {
			t.Logf("%s: %d KiB of %d nodes, %d of %d", what, peak[few], few, peak[many], many)
			if peak[few] < 1<<10 || tooMuch(peak[few], peak[many]) {
				over = append(over, what)
			}
		}
		if len(over) == 0 {
			return
		}
		if try == tries-1 {
			t.Errorf("more than %d KiB above, %d times: %q", growth, tries, over)
		}
	}
}

// peaks are what a run, a run up to its audit, and verify had resident at most, by the number
// of nodes, in KiB.
func (b *bench) peaks(t *testing.T, sizes ...int) map[string]map[int]int {
	t.Helper()
	ran, made, verified := map[int]int{}, map[int]int{}, map[int]int{}
	for _, n := range sizes {
		plan, err := b.cluster.workers(n, signer.ECDSAP256)
		if err != nil {
			t.Fatal(err)
		}
		token, err := b.newToken()
		if err != nil {
			t.Fatal(err)
		}
		c, err := b.conduct(plan, token)
		if err != nil {
			t.Fatal(err)
		}
		v, err := b.verify(c)
		if err != nil {
			t.Fatal(err)
		}
		ran[n], verified[n] = c.memory, v.memory
		for _, s := range c.steps {
			if s.is(auditStep) {
				made[n] = s.before
			}
		}
		if err := token.remove(); err != nil {
			t.Fatal(err)
		}
	}
	return map[string]map[int]int{"run": ran, "run up to its audit": made, "verify": verified}
}

func tooMuch(few, many int) bool { return many-few > growth }

// TestTooMuchMemory shows that the mark can be missed.
func TestTooMuchMemory(t *testing.T) {
	if tooMuch(30<<10, 30<<10+growth) || !tooMuch(30<<10, 30<<10+growth+1) {
		t.Error("the growth that is allowed is not the one that is said")
	}
}
