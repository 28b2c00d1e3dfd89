package terminal

import (
	"bufio"
	"io"
	"iter"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	gap    = "  "
	narrow = 8 // no column is folded to less
)

// Width is how many columns people see of what is written to w, 0 where nothing is
// to be folded: in a pipe, in a file.
func Width(w io.Writer) int {
	if s, ok := loud(w).(*Screen); ok {
		return s.width
	}
	return 0
}

// Hang writes a line behind a prefix. People get it folded at the width of their
// terminal, further lines below its beginning; in a pipe it stays one line, to be
// searched.
func Hang(w io.Writer, prefix, text string) {
	io.WriteString(w, hang(prefix, text, Width(w)))
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

// columnWidths takes from the widest column that can give until the table fits.
func columnWidths(width int, header []string, rows iter.Seq[[]string]) []int {
	widths, words := make([]int, len(header)), make([]int, len(header))
	single := 0 // of rows of one cell, headings where there are more columns
	measure := func(cells []string) {
		if len(cells) == 1 {
			single = max(single, utf8.RuneCountInString(cells[0]))
			return
		}
		for i, c := range cells {
			if i == len(widths) {
				widths, words = append(widths, 0), append(words, 0)
			}
			words[i] = max(words[i], longestWord(c))
			widths[i] = max(widths[i], utf8.RuneCountInString(c))
		}
	}
	measure(header)
	for cells := range rows {
		measure(cells)
	}
	if len(widths) < 2 {
		return []int{single}
	}
	total := len(gap) * (len(widths) - 1)
	for _, n := range widths {
		total += n
	}
	for ; width > 0 && total > width; total-- {
		widest := -1
		for i, n := range widths {
			if n > words[i] && (widest < 0 || n > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 { // words are not broken
			break
		}
		widths[widest]--
	}
	return widths
}

// longestWord is the room that what cannot be folded takes, at least narrow.
func longestWord(cell string) int {
	longest, from := narrow, 0
	for i, r := range cell {
		if r == ' ' || r == ',' {
			longest, from = max(longest, utf8.RuneCountInString(cell[from:i])+len(",")), i+1
		}
	}
	return max(longest, utf8.RuneCountInString(cell[from:]))
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

// Fold breaks text into lines of at most width characters, at spaces and after
// commas. A word that is longer is not broken. No width, no folding.
func Fold(text string, width int) []string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if width <= 0 || utf8.RuneCountInString(text) <= width {
		return []string{text}
	}
	var lines []string
	rest := []rune(text)
	for len(rest) > width {
		at := foldAt(rest, width)
		lines = append(lines, strings.TrimRight(string(rest[:at]), " "))
		rest = []rune(strings.TrimLeft(string(rest[at:]), " "))
	}
	if len(rest) > 0 {
		lines = append(lines, string(rest))
	}
	return lines
}

// foldAt is where a line ends: the last place within the width, else the first after it.
func foldAt(text []rune, width int) int {
	for i := width; i > 0; i-- {
		if text[i] == ' ' || text[i-1] == ',' {
			return i
		}
	}
	for i := width + 1; i < len(text); i++ {
		if text[i] == ' ' || text[i-1] == ',' {
			return i
		}
	}
	return len(text)
}
