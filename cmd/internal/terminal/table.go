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

// Width is the number of columns of the terminal behind w; 0 where nothing is folded: in a
// pipe or a file.
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

// Table is aligned text. Cells that are too long for the width are folded, at spaces and
// after commas where there are some. Where the columns do not fit beside one another even
// so, the last ones move below the first, indented: nothing is cut off, and no word broken.
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
	columns := measure(header, rows)
	fit(columns, width)
	b := bufio.NewWriter(w)
	if header != nil {
		row(b, header, columns)
	}
	for cells := range rows {
		if len(cells) == 1 && len(columns) > 1 {
			b.WriteString(cells[0] + "\n")
			continue
		}
		row(b, cells, columns)
	}
	return b.Flush()
}

// column is how a table's column stands. Its text begins behind indent blanks where it is
// the first of a line below another.
type column struct {
	width  int  // as much as its longest cell takes, until it has to fit
	least  int  // what cannot be folded takes
	below  bool // begins a line of its own, below the columns before it
	indent int
}

const stepped = 4 // how far columns are indented that stand below others

// measure is each column with the width that it would like to have.
func measure(header []string, rows iter.Seq[[]string]) []column {
	columns := make([]column, len(header))
	single := 0 // of rows of one cell, headings where there are more columns
	add := func(cells []string) {
		if len(cells) == 1 {
			single = max(single, utf8.RuneCountInString(cells[0]))
			return
		}
		for i, c := range cells {
			if i == len(columns) {
				columns = append(columns, column{})
			}
			columns[i].least = max(columns[i].least, longestWord(c))
			columns[i].width = max(columns[i].width, utf8.RuneCountInString(c))
		}
	}
	add(header)
	for cells := range rows {
		add(cells)
	}
	if len(columns) < 2 {
		return []column{{width: single}}
	}
	for i := range columns {
		columns[i].least = min(max(columns[i].least, narrow), columns[i].width)
	}
	return columns
}

// fit puts as many columns beside one another as the width has room for, the others below
// if they fit there, and folds those of a line until they fit. No width, nothing to do.
func fit(columns []column, width int) {
	if width <= 0 {
		return
	}
	begin, used := 0, 0
	for i := range columns {
		needs := stepped + columns[i].least
		if used += columns[i].least; i > begin && used > width && needs <= width {
			shrink(columns[begin:i], width)
			begin, used = i, needs
			columns[i].below, columns[i].indent = true, stepped
		}
		used += len(gap)
	}
	shrink(columns[begin:], width)
}

// shrink takes from the widest column of a line that can give, until the line fits.
func shrink(line []column, width int) {
	total := line[0].indent + len(gap)*(len(line)-1)
	for _, c := range line {
		total += c.width
	}
	for ; total > width; total-- {
		var widest *column
		for i := range line {
			if c := &line[i]; c.width > c.least && (widest == nil || c.width > widest.width) {
				widest = c
			}
		}
		if widest == nil { // words are not broken
			return
		}
		widest.width--
	}
}

// longestWord is the room that what cannot be folded takes.
func longestWord(cell string) int {
	longest, from := 0, 0
	for i, r := range cell {
		if r == ' ' || r == ',' {
			longest, from = max(longest, utf8.RuneCountInString(cell[from:i])+len(",")), i+1
		}
	}
	return max(longest, utf8.RuneCountInString(cell[from:]))
}

// row writes the cells of a row, those below others only where they say something.
func row(b *bufio.Writer, cells []string, columns []column) {
	for begin := 0; begin < len(cells); {
		end := begin + 1
		for end < len(cells) && !columns[end].below {
			end++
		}
		if begin == 0 || slices.ContainsFunc(cells[begin:end], says) {
			line(b, cells[begin:end], columns[begin:end])
		}
		begin = end
	}
}

// says is whether a cell has more than the dash that stands for nothing.
func says(cell string) bool { return cell != "" && cell != "–" }

// line writes cells beside one another, each folded to its column.
func line(b *bufio.Writer, cells []string, columns []column) {
	folded := make([][]string, len(cells))
	height := 1
	for i, c := range cells {
		folded[i] = Fold(c, columns[i].width)
		height = max(height, len(folded[i]))
	}
	for k := range height {
		blank := columns[0].indent // before what comes next; a line ends without
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
			blank += columns[i].width - utf8.RuneCountInString(text) + len(gap)
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
