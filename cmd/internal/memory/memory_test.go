package memory

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"testing"
)

// write makes a file of a size, with nothing in it.
func write(t *testing.T, path string, size int64) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, nil, 0o644),
		os.Truncate(path, size)); err != nil {
		t.Fatal(err)
	}
}

// bound is the limit for a folder.
func bound(t *testing.T, folder string) int64 {
	t.Helper()
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(math.MaxInt64))
	Bound(folder, "plan.yaml")
	return debug.SetMemoryLimit(-1)
}

// TestBound: the limit grows with the plan and with earlier records, and not with what else
// lies there.
func TestBound(t *testing.T) {
	folder := t.TempDir()
	none := bound(t, folder)
	if none < headroom || none > 1<<30 {
		t.Fatalf("%d bytes for no plan at all", none)
	}
	write(t, filepath.Join(folder, "plan.yaml"), 8<<20)
	plan := bound(t, folder)
	if more := plan - none; more < 28<<20 || more > 45<<20 {
		t.Errorf("%d bytes more for a plan of 8 MiB", more)
	}
	write(t, filepath.Join(folder, "previous", "demo-1", "transcript.jsonl"), 64<<20)
	write(t, filepath.Join(folder, "previous", "demo-1", "schedule.txt"), 64<<20)
	if more := bound(t, folder) - plan; more < 90<<20 || more > 100<<20 {
		t.Errorf("%d bytes more for a record of 64 MiB", more)
	}
}

// TestLimitOfOthers: what somebody has set stays.
func TestLimitOfOthers(t *testing.T) {
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(1 << 40))
	Bound(t.TempDir(), "plan.yaml")
	if got := debug.SetMemoryLimit(-1); got != 1<<40 {
		t.Errorf("the limit is %d bytes", got)
	}
}
