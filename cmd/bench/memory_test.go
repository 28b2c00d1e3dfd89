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

// growth is what 2,000 nodes may take above what 200 take, in KiB, of a whole process. How
// much garbage there is at the worst instant is chance: measured were 29 to 45 MiB of a run,
// 8 to 10 of it up to its audit, and 10 to 18 of verify.
var growth = map[string]int{"run": 56 << 10, "run up to its audit": 16 << 10, "verify": 24 << 10}

// TestMemoryOfProcesses runs and verifies ceremonies as people do, by the program without
// clouds, and has the kernel say what each process had resident at most. What it keeps of a
// node has to stay small: of the 1,800 nodes more, 32 KiB each would be too much of a run, 9 up to
// its audit, and 14 of verify.
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
	ran, made, verified := map[int]int{}, map[int]int{}, map[int]int{}
	for _, n := range []int{few, many} {
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
	for what, peak := range map[string]map[int]int{
		"run": ran, "run up to its audit": made, "verify": verified,
	} {
		t.Logf("%s: %d KiB of %d nodes, %d of %d", what, peak[few], few, peak[many], many)
		if peak[few] < 1<<10 || tooMuch(what, peak[few], peak[many]) {
			t.Errorf("%s: %d KiB resident of %d nodes, %d KiB of %d: more than %d KiB above", what, peak[few], few,
				peak[many], many, growth[what])
		}
	}
}

func tooMuch(what string, few, many int) bool { return many-few > growth[what] }

// TestTooMuchMemory shows that the mark can be missed.
func TestTooMuchMemory(t *testing.T) {
	for what, most := range growth {
		if tooMuch(what, 30<<10, 30<<10+most) || !tooMuch(what, 30<<10, 30<<10+most+1) {
			t.Errorf("%s: the growth that is allowed is not the one that is said", what)
		}
	}
}
