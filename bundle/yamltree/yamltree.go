package yamltree

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"officiant/bundle/charset"
)

// Limits are what a text may have at most.
type Limits struct {
	Bytes     int
	Depth     int // of mappings and lists in each other
	Entries   int // of one mapping
	Keys      int // of all mappings
	Documents int
}

// Small are limits for files that people write by hand: a kubeadm configuration,
// a kubeconfig, a station.
var Small = Limits{Bytes: 256 << 10, Depth: 64, Entries: 1000, Keys: 8000, Documents: 64}

// Error says what is wrong at one place. Line and column count from 1.
type Error struct {
	Line, Column int
	Problem      string
}

func (e *Error) Error() string { return fmt.Sprintf("%d:%d: %s", e.Line, e.Column, e.Problem) }

func fail(line, column int, format string, args ...any) *Error {
	return &Error{Line: max(1, line), Column: max(1, column), Problem: fmt.Sprintf(format, args...)}
}

// CheckSize refuses text larger than its limit. It is for callers that split the text first.
func (l Limits) CheckSize(data []byte) *Error {
	if len(data) > l.Bytes {
		return fail(1, 1, "has %d bytes, more than the %d that are read", len(data), l.Bytes)
	}
	return nil
}

// Parse reads text that is UTF-8. A nil error comes with a tree.
func Parse(data []byte, l Limits, options ...parser.Option) (*ast.File, *Error) {
	if err := l.CheckSize(data); err != nil {
		return nil, err
	}
	if err := l.nesting(data); err != nil {
		return nil, err
	}
	if err := emptyLines(data); err != nil {
		return nil, err
	}
	if name := charset.Name(data); name != "UTF-8" && name != "UTF-8 with a byte order mark" {
		_, err := charset.UTF8(data)
		if err == nil {
			err = fmt.Errorf("is %s; save it as UTF-8", name)
		}
		return nil, fail(1, 1, "%v", err)
	}
	tokens := mend(lexer.Tokenize(string(data)))
	if err := l.count(tokens); err != nil {
		return nil, err
	}
	file, err := parser.Parse(tokens, 0, options...)
	if err == nil {
		return file, nil
	}
	e := place(err)
	if quote := runaway(tokens, e.Line); quote != nil {
		return nil, quote
	}
	if odd := cause(data, e.Line); odd != nil {
		return nil, odd
	}
	return nil, e
}

// place keeps message and place of a parser's error. Its own text would draw the
// lines around, with whatever stands there, in time that grows with their square.
func place(err error) *Error {
	y, ok := errors.AsType[yaml.Error](err)
	if !ok {
		return fail(1, 1, "not YAML")
	}
	e := fail(1, 1, "not YAML: %s", short(y.GetMessage()))
	if double, at, ok := strings.Cut(y.GetMessage(), " already defined at ["); ok {
		line, _, _ := strings.Cut(at, ":")
		e.Problem = double + " is there already, in line " + line
	}
	if tk := y.GetToken(); tk != nil && tk.Position != nil {
		e.Line, e.Column = tk.Position.Line, tk.Position.Column
	}
	return e
}

// short keeps the beginning of a message that quotes the text it is about, which may
// be a line of any length.
func short(message string) string {
	const most = 200 // characters
	if r := []rune(message); len(r) > most {
		return string(r[:most]) + "…"
	}
	return message
}

// runaway finds the quote that caused an error at a line: one that ends in it, or
// above, and has swallowed a line that looks like a field, an entry or a comment.
func runaway(tokens token.Tokens, line int) *Error {
	for _, tk := range tokens {
		if tk.Position == nil || tk.Position.Line > line {
			break
		}
		if tk.Type != token.DoubleQuoteType && tk.Type != token.SingleQuoteType {
			continue
		}
		lines := strings.Split(strings.TrimLeft(tk.Origin, " \t\r\n"), "\n")
		for _, swallowed := range lines[1:] {
			if looksLikeEntry(strings.TrimSpace(swallowed)) {
				return fail(tk.Position.Line, tk.Position.Column,
					"not YAML: the quote that opens here closes only in line %d; it seems to end nowhere in its own line",
					tk.Position.Line+len(lines)-1)
			}
		}
	}
	return nil
}

func looksLikeEntry(line string) bool {
	if strings.HasPrefix(line, "- ") || strings.HasPrefix(line, "#") || strings.HasPrefix(line, "---") {
		return true
	}
	key, value, ok := strings.Cut(line, ":")
	return ok && key != "" && !strings.ContainsAny(key, " \t\"'") && (value == "" || value[0] == ' ' || value[0] == '\r')
}
