package stories

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestReportPage types every command of docs/report.md after those of the guide's room.
func TestReportPage(t *testing.T) {
	first, typed := partsOf(t, "5", "report.md", 1)
	dir, _ := typeAll(t, first, typed)
	page, err := os.ReadFile(filepath.Join(dir, "ceremony", "report.html"))
	if err != nil || !strings.Contains(string(page), "every check, no finding") {
		t.Errorf("report.html: %v", err)
	}
}

// TestRehearsalPage types every command of docs/rehearsal.md after those of the
// guide's desk.
func TestRehearsalPage(t *testing.T) {
	first, typed := partsOf(t, "4", "rehearsal.md", 2)
	dir, out := typeAll(t, first, typed)
	for _, want := range []string{"REHEARSAL of plan harbour-1", "REHEARSAL kubernetes", "nothing in it may be used",
		"it was refused"} {
		if !strings.Contains(out, want) {
			t.Errorf("nobody was told %q:\n%s", want, out)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "rehearsal", "bundles", "cp-1.rehearsal.tar")); err != nil {
		t.Error(err)
	}
}

// TestScriptPage types every command of docs/script.md after those of the
// guide's desk.
func TestScriptPage(t *testing.T) {
	first, typed := partsOf(t, "4", "script.md", 1)
	dir, _ := typeAll(t, first, typed)
	text, err := os.ReadFile(filepath.Join(dir, "script.txt"))
	if err != nil || !strings.Contains(string(text), "step 8 of 26  ") {
		t.Errorf("%v\n%s", err, text)
	}
	page, err := os.ReadFile(filepath.Join(dir, "script.html"))
	if err != nil || !strings.Contains(string(page), "Script of a key ceremony") {
		t.Errorf("script.html: %v", err)
	}
}
