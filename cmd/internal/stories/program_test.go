package stories

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestNodeProgramIsSmall builds the node's program as make build does: people
// carry it on sticks, and it has to run on any node.
func TestNodeProgramIsSmall(t *testing.T) {
	const most = 12 << 20
	program := filepath.Join(t.TempDir(), "officiant-node")
	c := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", program, "./cmd/officiant-node")
	c.Dir = source
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	info, err := os.Stat(program)
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() >= most {
		t.Errorf("officiant-node has %d bytes, not less than %d", info.Size(), most)
	}
	t.Logf("%.1f MiB", float64(info.Size())/(1<<20))
	f, err := elf.Open(program)
	if err != nil {
		t.Skip(err) // not Linux
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			t.Error("officiant-node is linked to shared libraries")
		}
	}
}
