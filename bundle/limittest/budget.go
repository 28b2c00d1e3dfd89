package limittest

import (
	"runtime"
	"testing"
)

// Budget fails when a reader takes longer for an input than any may; it is for fuzzers,
// which find shapes that nobody thought of:
//
//	defer limittest.Budget(t)()
//
// It counts this thread's time on a processor, so that a busy machine changes nothing.
func Budget(t *testing.T) func() {
	t.Helper()
	runtime.LockOSThread()
	before := threadTime()
	return func() {
		took := threadTime() - before
		runtime.UnlockOSThread()
		if took > MaxTime {
			t.Errorf("took %d ms of %d", took.Milliseconds(), MaxTime.Milliseconds())
		}
	}
}
