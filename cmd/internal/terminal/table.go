package terminal

import (
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

const (
	defaultWidth = 80
	gap          = "  "
	narrow       = 8 // no column is folded to less
)

// Width is how many columns w shows: a terminal's own, else 80.
func Width(w io.Writer) int {
	if f, ok := w.(*os.File); ok {
		if columns, _, err := term.GetSize(int(f.Fd())); err == nil && columns > 20 {
			return columns
		}
	}
	return defaultWidth
}

// Table is aligned text. Cells that are too long for the width are folded, at
// spaces and after commas where there are some, so that nothing is cut off.
type Table struct {
	Header []string // may be nil
	Rows   [][]string
}

// Add adds a row; a row of one cell where there are more columns is a heading
// across all of them.
func (t *Table) Add(cells ...string) { t.Rows = append(t.Rows, cells) }

// Write writes the table, at most width columns wide where that is possible.
func (t *Table) Write(w io.Writer, width int) error {
	widths := t.widths(width)
	var b strings.Builder
	if t.Header != nil {
		row(&b, t.Header, widths)
	}
	for _, cells := range t.Rows {
		if len(cells) == 1 && len(widths) > 1 {
			b.WriteString(cells[0] + "\n")
			continue
		}
		row(&b, cells, widths)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// widths takes from the widest column until the table fits.
func (t *Table) widths(width int) []int {
	columns := len(t.Header)
	for _, cells := range t.Rows {
		columns = max(columns, len(cells))
	}
	widths := make([]int, columns)
	for _, cells := range append([][]string{t.Header}, t.Rows...) {
		if len(cells) == 1 && columns > 1 {
			continue
		}
		for i, c := range cells {
			widths[i] = max(widths[i], utf8.RuneCountInString(c))
		}
	}
	total := len(gap) * (columns - 1)
	for _, n := range widths {
		total += n
	}
	for ; total > width; total-- {
		widest := 0
		for i, n := range widths {
			if n > widths[widest] {
				widest = i
			}
		}
		if columns == 0 || widths[widest] <= narrow {
			break
		}
		widths[widest]--
	}
	return widths
}

func row(b *strings.Builder, cells []string, widths []int) {
	folded := make([][]string, len(cells))
	height := 1
	for i, c := range cells {
		folded[i] = Fold(c, widths[i])
		height = max(height, len(folded[i]))
	}
	for k := range height {
		var line strings.Builder
		for i := range cells {
			text := ""
			if k < len(folded[i]) {
				text = folded[i][k]
			}
			line.WriteString(text)
			line.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(text)) + gap)
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
}

// Fold breaks text into lines of at most width characters, where it can at a
// space or after a comma.
func Fold(text string, width int) []string {
	var lines []string
	rest := []rune(text)
	for width > 0 && len(rest) > width {
		at := width
		for i := width; i > width/3; i-- {
			if rest[i] == ' ' || rest[i-1] == ',' || rest[i-1] == ' ' {
				at = i
				break
			}
		}
		lines = append(lines, strings.TrimRight(string(rest[:at]), " "))
		rest = []rune(strings.TrimLeft(string(rest[at:]), " "))
	}
	return append(lines, string(rest))
}
