package preflight

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPage: docs/room.md has a row for each check, in their order, with its level.
func TestPage(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "room.md"))
	if err != nil {
		t.Fatal(err)
	}
	rest := string(page)
	for _, c := range Checks {
		row := fmt.Sprintf("\n| `%s` | %s | ", c.Name, c.Level)
		_, after, ok := strings.Cut(rest, row)
		if !ok {
			t.Fatalf("the page has no row %q where it should", row)
		}
		rest = after
	}
}
