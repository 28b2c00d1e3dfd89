package yamltree

import (
	"bytes"

	"github.com/goccy/go-yaml/token"
)

// nesting refuses brackets, dashes and question marks in each other before even
// tokens are made. The count is rough, by line, and sees what stands in quotes too:
// it is told from an honest file by the limit, which is well above one's depth.
func (l Limits) nesting(data []byte) *Error {
	depth, line := 0, 0
	for text := range bytes.Lines(data) {
		line++
		depth += bytes.Count(text, []byte("[")) + bytes.Count(text, []byte("{"))
		entries := bytes.Count(text, []byte("- ")) + bytes.Count(text, []byte("? "))
		if depth > l.Depth || entries > l.Depth {
			return fail(line, 1, "nested more than %d deep", l.Depth)
		}
		depth = max(0, depth-bytes.Count(text, []byte("]"))-bytes.Count(text, []byte("}")))
	}
	return nil
}

// mostEmpty is how many empty lines may follow each other.
const mostEmpty = 100

// emptyLines refuses empty lines without end before tokens are made: the tokenizer copies
// a block scalar as often as empty lines follow it.
func emptyLines(data []byte) *Error {
	line, empty, blank := 1, 0, true
	for i, b := range data {
		switch {
		case b == ' ', b == '\t':
		case b == '\r' && i+1 < len(data) && data[i+1] == '\n': // ends the line with it
		case b == '\n', b == '\r':
			if empty++; !blank {
				empty = 0
			}
			if empty > mostEmpty {
				return fail(line, 1, "more than %d empty lines one after the other", mostEmpty)
			}
			line, blank = line+1, true
		default:
			blank = false
		}
	}
	return nil
}

// level is a mapping or a list that is open.
type level struct {
	column  int // of its keys or dashes; 0 in flow style
	list    bool
	entries int
}

// counter follows the tokens.
type counter struct {
	Limits
	open            []level
	flow            int // how many of them are in flow style
	keys, documents int
	empty           int // entries of lists that hold nothing, each of which the parser moves all tokens for
}

func (l Limits) count(tokens token.Tokens) *Error {
	c := &counter{Limits: l, documents: 1}
	for _, tk := range tokens {
		if tk.Position == nil {
			continue
		}
		if err := c.take(tk); err != nil {
			return err
		}
	}
	return nil
}

func (c *counter) take(tk *token.Token) *Error {
	at := tk.Position
	switch tk.Type {
	case token.DocumentHeaderType, token.DocumentEndType:
		c.open, c.flow = c.open[:0], 0
		if c.documents++; c.documents > 2*c.Documents { // each may have a beginning and an end
			return fail(at.Line, at.Column, "more than %d documents", c.Documents)
		}
	case token.MappingStartType, token.SequenceStartType:
		c.flow++
		c.open = append(c.open, level{list: tk.Type == token.SequenceStartType})
	case token.MappingEndType, token.SequenceEndType:
		if c.flow > 0 {
			c.flow--
			c.open = c.open[:len(c.open)-1]
		}
	case token.SequenceEntryType:
		if p := tk.Prev; p != nil && p.Type == token.SequenceEntryType && p.Position != nil && p.Position.Line < at.Line {
			if c.empty++; c.empty > c.Entries {
				return fail(at.Line, at.Column, "more than %d entries that are empty", c.Entries)
			}
		}
		if c.flow == 0 {
			c.enter(at.Column, true)
		}
	case token.MappingValueType, token.MappingKeyType:
		return c.key(tk)
	}
	if len(c.open) > c.Depth {
		return fail(at.Line, 1, "nested more than %d deep", c.Depth)
	}
	return nil
}

// key counts an entry of a mapping. A "?" and its ":" are counted both; a file of
// them is not read here anyway.
func (c *counter) key(tk *token.Token) *Error {
	if c.flow == 0 {
		column := tk.Position.Column
		if p := tk.Prev; tk.Type == token.MappingValueType && p != nil && p.Position != nil &&
			p.Position.Line == tk.Position.Line {
			column = p.Position.Column
		}
		c.enter(column, false)
	}
	if c.keys++; c.keys > c.Keys {
		return fail(tk.Position.Line, 1, "more than %d keys in all", c.Keys)
	}
	if len(c.open) == 0 { // a ":" after a bracket too many: the parser says so
		return nil
	}
	top := &c.open[len(c.open)-1]
	if top.entries++; top.entries > c.Entries {
		return fail(tk.Position.Line, 1, "more than %d entries in one mapping", c.Entries)
	}
	return nil
}

// enter closes what lies deeper than a column, and opens what begins at it.
func (c *counter) enter(column int, list bool) {
	for n := len(c.open); n > 0; n-- {
		top := c.open[n-1]
		if top.column < column || top.column == column && top.list == list {
			break
		}
		// A list may stand at its mapping's own column: the list is the inner one.
		if top.column == column && !top.list {
			break
		}
		c.open = c.open[:n-1]
	}
	if n := len(c.open); n > 0 && c.open[n-1].column == column && c.open[n-1].list == list {
		return
	}
	c.open = append(c.open, level{column: column, list: list})
}
