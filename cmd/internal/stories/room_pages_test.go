package stories

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestScriptPage types every command of docs/script.md after those of the
// guide's desk.
func TestScriptPage(t *testing.T) {
	first, typed := partsOf(t, "4", "script.md", 1)
	dir, _ := typeAll(t, first, typed)
	text, err := os.ReadFile(filepath.Join(dir, "script.txt"))
	if err != nil || !strings.Contains(string(text), "step 7 of 25  ") {
		t.Errorf("%v\n%s", err, text)
	}
	page, err := os.ReadFile(filepath.Join(dir, "script.html"))
	if err != nil || !strings.Contains(string(page), "Script of a key ceremony") {
		t.Errorf("script.html: %v", err)
	}
}
