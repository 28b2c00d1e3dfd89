package limittest

import (
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// What a reader may take for one input.
//
// A busy machine makes processor time itself longer, by up to seven times where many
// programs share its caches. A test therefore fails at Hang, which a reader that takes
// the square of its input's size is far above, and prints what to hold against MaxTime.
const (
	MaxTime   = 2 * time.Second // of a processor, on a quiet machine
	Hang      = 10 * MaxTime    // of a processor: where a case is ended
	MaxMemory = 200 << 20       // resident, in bytes
)

const variable = "OFFICIANT_LIMITTEST"

// Use is what a case has taken.
type Use struct {
	Time   time.Duration // of a processor
	Memory int64         // resident, at its peak; bytes
	Done   bool          // it ended by itself
}

// Measure runs read in a process of its own. It is called from a top-level test
// with a name no other call in it has; read must not depend on what a test before
// it has done.
func Measure(t *testing.T, name string, read func()) Use {
	t.Helper()
	return measure(t, name, Hang, read)
}

func measure(t *testing.T, name string, limit time.Duration, read func()) Use {
	t.Helper()
	if os.Getenv(variable) == t.Name()+"/"+name {
		endAt(t, limit)
		read()
		os.Exit(0)
	}
	if os.Getenv(variable) != "" { // another case is meant
		return Use{Done: true}
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.count=1")
	cmd.Env = append(os.Environ(), variable+"="+t.Name()+"/"+name, "GOMAXPROCS=1")
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	u := Use{Time: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), Done: err == nil}
	if r, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		u.Memory = r.Maxrss << 10
	}
	if err != nil && u.Time < limit/2 { // it was not what endAt ends
		t.Errorf("%s: %v\n%s", name, err, out)
	}
	return u
}

// endAt has the system end this process when it has had so much of a processor,
// whatever it hangs in.
func endAt(t *testing.T, limit time.Duration) {
	t.Helper()
	seconds := uint64(limit / time.Second)
	if err := syscall.Setrlimit(syscall.RLIMIT_CPU, &syscall.Rlimit{Cur: seconds, Max: seconds}); err != nil {
		t.Fatal(err)
	}
}

// Hold fails when a case takes more than it may.
func Hold(t *testing.T, name string, read func()) {
	t.Helper()
	u := Measure(t, name, read)
	if os.Getenv(variable) != "" {
		return
	}
	t.Logf("%-40s %6d ms %4d MiB", name, u.Time.Milliseconds(), u.Memory>>20)
	if !u.Done || u.Memory > MaxMemory {
		t.Errorf("%s: took %d ms (ended at %d) and %d MiB (of %d)", name,
			u.Time.Milliseconds(), Hang.Milliseconds(), u.Memory>>20, MaxMemory>>20)
	}
}
