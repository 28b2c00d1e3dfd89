package fingerprint

import (
	"strings"
	"testing"
)

func TestRecipient(t *testing.T) {
	hybrid := "age1pq1" + strings.Repeat("x", 1940)
	for r, want := range map[string]string{
		"age1zvkyg2lq": "age1zvkyg2lq", hybrid: hybrid[:20] + "…", hybrid + " age1zvk": hybrid[:20] + "…+age1zvk",
		"ssh-ed25519 AAAA": "ssh-ed25519 AAAA", "": "",
	} {
		if got := Recipient(r); got != want {
			t.Errorf("%.30s: %s, want %s", r, got, want)
		}
	}
}
