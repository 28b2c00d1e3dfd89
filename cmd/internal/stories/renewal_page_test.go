package stories

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRenewalPage types every command of docs/renewal.md after those of the
// guide's first ceremony.
func TestRenewalPage(t *testing.T) {
	first, typed := partsOf(t, "6", "renewal.md", 6)
	dir, out := typeAll(t, first, typed)
	for _, want := range []string{"no plan was written", "dates and serial number",
		"same keys, as previous records have them",
		"\nkubernetes\nrelease\n", "installed sequence 2 on node worker-1",
		"installed sequence 3 on node worker-2", "Left out, because none of their certificates has expired: 2 nodes."} {
		if !strings.Contains(out, want) {
			t.Errorf("nobody was told %q:\n%s", want, out)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "early")); err == nil {
		t.Error("a folder for a plan that was not needed")
	}
}
