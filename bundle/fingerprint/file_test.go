package fingerprint

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// TestOfFile: a file has the digest of its bytes, and what is none has an error.
func TestOfFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "large")
	data := make([]byte, 1<<20+1)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if sum, err := OfFile(path); err != nil || sum != Of(data) {
		t.Error(sum, err)
	}
	if sum, err := OfFile(path + "-none"); !errors.Is(err, fs.ErrNotExist) || !sum.IsZero() {
		t.Error(sum, err)
	}
}
