package limittest

import (
	"testing"
	"time"
)

// TestMeasureEnds shows that a reader that hangs is ended, and is not taken as done.
func TestMeasureEnds(t *testing.T) {
	const limit = time.Second
	u := measure(t, "hangs", limit, func() {
		for x := uint64(1); ; x *= 3 {
			_ = x
		}
	})
	if u.Time > 0 && (u.Done || u.Time < limit/2) {
		t.Errorf("a reader that hangs: %+v", u)
	}
}
