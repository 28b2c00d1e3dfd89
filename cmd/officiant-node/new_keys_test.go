package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"officiant/bundle/durable"
	"officiant/cmd/internal/exit"
)

// TestNewKeysAlone: whoever asks for new keys gets no others, by whichever option.
func TestNewKeysAlone(t *testing.T) {
	for _, other := range [][]string{{"--adopt"}, {"--csr-dir", "csrs"}, {"--reuse-keys"}} {
		dir := t.TempDir()
		out := filepath.Join(dir, "w.req")
		args := append(workerRequest(filepath.Join(dir, "root"), out), append([]string{"--new-keys"}, other...)...)
		r := onNode(t.Context(), &durable.Disk{}, args...)
		if r.code != exit.Usage || !strings.Contains(r.stderr, "--new-keys makes all keys anew") {
			t.Errorf("%q: exit %d, %s", other, r.code, r.stderr)
		}
		if made, err := os.ReadDir(dir); err != nil || len(made) > 0 {
			t.Errorf("%q: made %v, %v", other, made, err)
		}
	}
}
