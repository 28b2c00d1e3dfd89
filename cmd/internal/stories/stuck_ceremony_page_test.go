package stories

import (
	"strings"
	"testing"
)

// TestStuckCeremonyPage types every command of docs/stuck-ceremony.md after those of the guide's first
// parts: a ceremony goes on with a corrected station, another is given up and begins anew.
func TestStuckCeremonyPage(t *testing.T) {
	first, typed := partsOf(t, "4", "stuck-ceremony.md", 7)
	_, out := typeAll(t, first, typed)
	for _, want := range []string{
		"exit code 5: put in the token with that serial", "--new-station --reason TEXT",
		"agreed by kim, alice: the serial of",
		"2 of the 2 approvals", "The ceremony is abandoned: 4 keys destroyed", "was abandoned by its people: another cluster",
		"The ceremony is complete",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("nobody was told %q:\n%s", want, out)
		}
	}
}
