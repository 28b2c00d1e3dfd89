package limittest

import (
	"context"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// What a reader may take for one input.
const (
	MaxTime   = 2 * time.Second // of a processor, so that a busy machine changes nothing
	MaxMemory = 200 << 20
)

const variable = "OFFICIANT_LIMITTEST"

// Use is what a case has taken.
type Use struct {
	Time   time.Duration // of a processor
	Memory int64         // resident, at its peak; bytes
	Done   bool          // it ended in time
}

// Measure runs read in a process of its own. It is called from a top-level test
// with a name no other call in it has; read must not depend on what a test before
// it has done.
func Measure(t *testing.T, name string, read func()) Use {
	t.Helper()
	if os.Getenv(variable) == t.Name()+"/"+name {
		read()
		os.Exit(0)
	}
	if os.Getenv(variable) != "" { // another case is meant
		return Use{Done: true}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*MaxTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^"+t.Name()+"$", "-test.count=1")
	cmd.Env = append(os.Environ(), variable+"="+t.Name()+"/"+name, "GOMAXPROCS=1")
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	u := Use{Time: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), Done: err == nil}
	if r, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		u.Memory = r.Maxrss << 10
	}
	if err != nil && ctx.Err() == nil {
		t.Errorf("%s: %v\n%s", name, err, out)
	}
	return u
}

// Hold fails when a case takes more than it may.
func Hold(t *testing.T, name string, read func()) {
	t.Helper()
	u := Measure(t, name, read)
	if os.Getenv(variable) != "" {
		return
	}
	t.Logf("%-40s %6d ms %4d MiB", name, u.Time.Milliseconds(), u.Memory>>20)
	if !u.Done || u.Time > MaxTime || u.Memory > MaxMemory {
		t.Errorf("%s: took %d ms (of %d) and %d MiB (of %d)", name,
			u.Time.Milliseconds(), MaxTime.Milliseconds(), u.Memory>>20, MaxMemory>>20)
	}
}
