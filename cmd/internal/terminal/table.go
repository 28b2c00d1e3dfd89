package terminal

// Table is aligned text.
type Table struct {
	Header []string
	Rows   [][]string
}
