package journal

import (
	"os"
	"strings"
	"testing"
)

// docs/formats/journal.md lists every record with its fields in their order.
func TestDocumented(t *testing.T) {
	page, err := os.ReadFile("../../../docs/formats/journal.md")
	if err != nil {
		t.Fatal(err)
	}
	for name, record := range Records {
		var fields []string
		for i := range record.NumField() {
			tag, options, _ := strings.Cut(record.Field(i).Tag.Get("json"), ",")
			tag = "`" + tag + "`"
			if options == "omitempty" {
				tag += "?"
			}
			fields = append(fields, tag)
		}
		row := "| `" + string(name) + "` | " + strings.Join(fields, " ") + " |"
		if !strings.Contains(string(page), row) {
			t.Errorf("the page has no row %s", row)
		}
	}
	if rows := strings.Count(string(page), "\n| `"); len(Records) != rows {
		t.Errorf("%d records, and the page has %d", len(Records), rows)
	}
}
