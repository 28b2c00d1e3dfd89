package limittest

import (
	"testing"
	"time"
)

// TestBudget shows that time on a processor is counted, and time asleep is not.
func TestBudget(t *testing.T) {
	before := threadTime()
	for x := uint64(1); threadTime()-before < 10*time.Millisecond; x *= 3 {
		_ = x
	}
	Budget(t)()
}
