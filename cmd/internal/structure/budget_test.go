package structure

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFuzzersHaveABudget: a fuzzer of a format fails for an input that takes too long.
func TestFuzzersHaveABudget(t *testing.T) {
	count := 0
	for _, top := range []string{"bundle", "ceremony", "signer"} {
		err := filepath.WalkDir(filepath.Join("..", "..", "..", top), func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, "_test.go") {
				return err
			}
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			fuzzers := strings.Count(string(data), "f.Fuzz(func(")
			if count += fuzzers; fuzzers != strings.Count(string(data), "defer limittest.Budget(t)()") {
				t.Errorf("%s: a fuzzer without limittest.Budget", path)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if count < 30 {
		t.Errorf("only %d fuzzers", count)
	}
}
