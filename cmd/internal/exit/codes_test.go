package exit

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCodesPage holds docs/exit-codes.md to the codes, both ways.
func TestCodesPage(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "exit-codes.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]bool{}
	for line := range strings.Lines(string(page)) {
		cells := strings.Split(line, "|")
		if len(cells) > 4 && strings.TrimSpace(cells[1]) != "Code" && !strings.Contains(line, "---") {
			rows[strings.TrimSpace(cells[1])+": "+strings.TrimSpace(cells[2])] = true
		}
	}
	for _, c := range Codes() {
		row := fmt.Sprintf("%d: %s", c.Code, c.Meaning)
		if !rows[row] {
			t.Errorf("the page has no row %q", row)
		}
		delete(rows, row)
	}
	for row := range rows {
		t.Errorf("no code is %q", row)
	}
}
