package paper

import (
	"bytes"
	"strings"
	"testing"

	"golang.org/x/image/font/gofont/gomono"
)

// TestPages: as many pages as the rows need.
func TestPages(t *testing.T) {
	for rows, pages := range map[int]int{1: 1, Rows: 1, Rows + 1: 2, 3 * Rows: 3} {
		page, err := PDF(strings.Repeat("a row of a page\n", rows)+"\n\n", gomono.TTF)
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(page, []byte("/Type /Page\n")); n != pages || !bytes.HasPrefix(page, []byte("%PDF-")) {
			t.Errorf("%d rows are %d pages, not %d", rows, n, pages)
		}
	}
}

// TestRows: nothing is cut off at the paper's edge, and letters count, not bytes.
func TestRows(t *testing.T) {
	long := strings.Repeat("ß", Columns)
	for text, want := range map[string][]string{
		"":                    nil,
		" \n\n":               nil,
		"a\n\nb\n\n":          {"a", "", "b"},
		long + "\n":           {long},
		long + "end\nanother": {long, "end", "another"},
	} {
		got := rowsOf(text)
		if strings.Join(got, "\n") != strings.Join(want, "\n") || len(got) != len(want) {
			t.Errorf("%q: %q", text, got)
		}
	}
}

func TestRefused(t *testing.T) {
	for text, says := range map[string]string{"": "no text", "\n \n": "no text", "a\xff": "not UTF-8"} {
		if _, err := PDF(text, gomono.TTF); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
