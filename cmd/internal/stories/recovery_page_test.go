package stories

import (
	"strings"
	"testing"
)

// TestRecoveryPage types every command of docs/recovery.md after those of the guide's
// first ceremony.
func TestRecoveryPage(t *testing.T) {
	first, typed := partsOf(t, "6", "recovery.md", 4)
	_, out := typeAll(t, first, typed)
	for _, want := range []string{
		"it is the release key that 2 nodes pinned", "which serial numbers were used", "ceremony harbour-2: verified",
		"reason: the safe burned on the night of 23 November", "what they issued is not listed", "installed sequence 2 on node worker-1",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("nobody was told %q:\n%s", want, out)
		}
	}
}
