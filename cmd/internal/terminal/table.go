package terminal

import (
	"bufio"
	"io"
	"iter"
	"os"
	"slices"
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

// Hang writes a line behind a prefix. People get it folded at the width of their
// terminal, further lines below its beginning; elsewhere it stays one line, to be
// searched.
func Hang(w io.Writer, prefix, text string) {
	width := 0
	if IsTerminal(w) {
		width = Width(w)
	}
	io.WriteString(w, hang(prefix, text, width))
}

func hang(prefix, text string, width int) string {
	indent := utf8.RuneCountInString(prefix)
	if width -= indent; width < 2*narrow {
		return prefix + text + "\n"
	}
	return prefix + strings.Join(Fold(text, width), "\n"+strings.Repeat(" ", indent)) + "\n"
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
	return WriteTable(w, width, t.Header, slices.Values(t.Rows))
}

// WriteTable writes a table as Table.Write does, of rows that are made as they
// are asked for: twice, first for the columns' widths.
func WriteTable(w io.Writer, width int, header []string, rows iter.Seq[[]string]) error {
	widths := columnWidths(width, header, rows)
	b := bufio.NewWriter(w)
	if header != nil {
		row(b, header, widths)
	}
	for cells := range rows {
		if len(cells) == 1 && len(widths) > 1 {
			b.WriteString(cells[0] + "\n")
			continue
		}
		row(b, cells, widths)
	}
	return b.Flush()
}

// columnWidths takes from the widest column until the table fits.
func columnWidths(width int, header []string, rows iter.Seq[[]string]) []int {
	widths, single := make([]int, len(header)), 0 // single: of rows of one cell, headings where there are more columns
	measure := func(cells []string) {
		if len(cells) == 1 {
			single = max(single, utf8.RuneCountInString(cells[0]))
			return
		}
		for i, c := range cells {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(c))
		}
	}
	measure(header)
	for cells := range rows {
		measure(cells)
	}
	if len(widths) < 2 {
		widths = []int{single}
	}
	total := len(gap) * (len(widths) - 1)
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
		if widths[widest] <= narrow {
			break
		}
		widths[widest]--
	}
	return widths
}

func row(b *bufio.Writer, cells []string, widths []int) {
	folded := make([][]string, len(cells))
	height := 1
	for i, c := range cells {
		folded[i] = Fold(c, widths[i])
		height = max(height, len(folded[i]))
	}
	for k := range height {
		blank := 0 // before what comes next; a line ends without
		for i := range cells {
			text := ""
			if k < len(folded[i]) {
				text = strings.TrimRight(folded[i][k], " ")
			}
			if text != "" {
				b.WriteString(strings.Repeat(" ", blank))
				b.WriteString(text)
				blank = 0
			}
			blank += widths[i] - utf8.RuneCountInString(text) + len(gap)
		}
		b.WriteByte('\n')
	}
}

// Fold breaks text into lines of at most width characters, where it can at a
// space or after a comma.
func Fold(text string, width int) []string {
	if utf8.ValidString(text) && (width <= 0 || utf8.RuneCountInString(text) <= width) {
		return []string{text}
	}
	var lines []string
	rest := []rune(text)
	for width > 0 && len(rest) > width {
		at := width
		for i := width; i > width/4; i-- {
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
