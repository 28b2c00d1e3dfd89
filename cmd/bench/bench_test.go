//go:build cgo

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"officiant/ceremony/schedule"
	"officiant/signer"
	"officiant/softhsm"
)

// TestPlans shows that the plans measured are plans, with as many leaves as is said.
func TestPlans(t *testing.T) {
	c, err := newCluster(filepath.Join(t.TempDir(), "cluster"), 5)
	if err != nil {
		t.Fatal(err)
	}
	for what, p := range map[string]struct {
		write      func() (string, error)
		keys, want int
	}{
		"workers":  {func() (string, error) { return c.workers(3, signer.RSA4096) }, 3, 3},
		"one node": {c.oneNode, 5, 12},
	} {
		file, err := p.write()
		if err != nil {
			t.Fatal(err)
		}
		opened, err := schedule.Open(file, schedule.Options{Now: time.Now()})
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		leaves := 0
		for _, e := range opened.Entries {
			if e.Kind == schedule.LeafCertificate {
				leaves++
			}
		}
		if leaves != p.want || len(opened.KeysNeeded()) != p.keys {
			t.Errorf("%s: %d leaves and %d keys, want %d and %d", what, leaves, len(opened.KeysNeeded()), p.want, p.keys)
		}
	}
}

// TestMarks shows that a missed mark is said to be missed.
func TestMarks(t *testing.T) {
	var out bytes.Buffer
	b := &bench{out: &out}
	b.mark("quick", 0.4, 0.4, " s")
	b.mark("slow", 0.41, 0.4, " s")
	b.printMarks()
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 3 || !strings.Contains(lines[1], "met") || !strings.Contains(lines[2], "missed") || !strings.Contains(lines[2], "0.41 s") {
		t.Errorf("%q", lines)
	}
	if m := median([]int{5, 1, 3}); m != 3 {
		t.Errorf("median %d", m)
	}
}

// TestCallsAreCounted has the counting module before SoftHSM.
func TestCallsAreCounted(t *testing.T) {
	folder := t.TempDir()
	b := &bench{folder: folder}
	var err error
	if b.softhsm, err = softhsm.Find(); err != nil {
		if os.Getenv("OFFICIANT_REQUIRE_SOFTHSM") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	if b.module, err = buildModule(folder); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SOFTHSM2_CONF", os.DevNull) // put back after the test
	token, err := b.newToken()
	if err != nil {
		t.Fatal(err)
	}
	if token.calls() != 0 {
		t.Errorf("%d calls before the first", token.calls())
	}
	for name, value := range token.variables() {
		t.Setenv(name, value)
	}
	if _, err := moduleVersion(token.module); err != nil {
		t.Fatal(err)
	}
	// C_Initialize, C_GetInfo, C_Finalize.
	if token.calls() != 3 {
		t.Errorf("%d calls, want 3", token.calls())
	}
}
