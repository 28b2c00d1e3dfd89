package limittest

import (
	"runtime"
	"testing"
)

// Budget fails when a reader hangs in an input; it is for fuzzers, which find shapes
// that nobody thought of:
//
//	defer limittest.Budget(t)()
//
// It counts this thread's time on a processor: waiting for one is nobody's fault.
func Budget(t *testing.T) func() {
	t.Helper()
	runtime.LockOSThread()
	before := threadTime()
	return func() {
		took := threadTime() - before
		runtime.UnlockOSThread()
		if took > Hang {
			t.Errorf("took %d ms of %d", took.Milliseconds(), Hang.Milliseconds())
		}
	}
}
