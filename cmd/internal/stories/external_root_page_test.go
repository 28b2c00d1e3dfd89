package stories

import (
	"strings"
	"testing"
)

// TestExternalRootPage types every command of docs/external-root.md after the
// guide's first part.
func TestExternalRootPage(t *testing.T) {
	first, typed := partsOf(t, "2", "external-root.md", 6)
	needTool(t, "openssl")
	_, out := typeAll(t, first, typed)
	for _, want := range []string{
		"certifies 3 intermediates there", "the ceremony waits for 3 certificates signed below", "front-proxy.csr",
		"kubernetes: accepted, until", "ceremony harbour-1: verified", "apiserver.crt: OK",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("nobody was told %q:\n%s", want, out)
		}
	}
}
