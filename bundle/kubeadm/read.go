package kubeadm

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"officiant/bundle/nesting"
)

// reader collects what the files hold, and what is wrong with them.
type reader struct {
	from  origin // of the document at hand
	inMap bool   // it is a ConfigMap's text
	docs  map[string]*document
	errs  []error
}

// origin is where a document's text begins in its file.
type origin struct {
	file         string
	line, column int  // before it
	fixed        bool // the text has no lines of its own in the file: all of it is at this place
}

// below is the origin of what comes so many lines later.
func (o origin) below(lines int) origin {
	if !o.fixed {
		o.line += lines
	}
	return o
}

// at is a place in the file; line and column are those in the document, from 1.
func (o origin) at(line, column int) *Error {
	if o.fixed {
		line, column = 0, 0
	}
	return &Error{File: o.file, Line: max(1, o.line+line), Column: max(1, o.column+column)}
}

// document is one document of a kind we read, with the values we want by path.
type document struct {
	kind, version string
	beta4         bool
	from          origin
	body          ast.Node
	values        map[string]value
}

// value is one field's content, with its place.
type value struct {
	node   ast.Node
	text   string
	texts  []value
	number int
	on     bool
}

// entry is one line of a mapping.
type entry struct {
	key   string
	at    ast.Node
	value ast.Node
}

func (r *reader) refuse(at ast.Node, field, format string, args ...any) {
	e := r.from.at(1, 1)
	if at != nil {
		// A mapping's own token is its first colon: its first key is where it begins.
		if m, ok := at.(*ast.MappingNode); ok && len(m.Values) > 0 && !m.IsFlowStyle {
			at = m.Values[0].Key
		}
		if tk := at.GetToken(); tk != nil && tk.Position != nil {
			e = r.from.at(tk.Position.Line, tk.Position.Column)
		}
	}
	e.Field, e.Problem = field, fmt.Sprintf(format, args...)
	r.errs = append(r.errs, e)
}

// checkSize refuses what the parser would take minutes and gigabytes for; no
// real file comes near it.
func checkSize(from origin, data []byte) error {
	e := from.at(1, 1)
	if len(data) > maxSize {
		e.Problem = fmt.Sprintf("larger than %d bytes", maxSize)
		return e
	}
	if line := nesting.TooDeep(data, maxDepth); line > 0 {
		e = from.at(line, 1)
		e.Problem = fmt.Sprintf("nested more than %d deep", maxDepth)
		return e
	}
	return nil
}

// part is one document of the file, with the number of lines before it.
type part struct {
	line int
	data []byte
}

// split cuts the file at its "---" lines, as kubeadm does. The parser cannot
// be left to do it: of what follows an empty document it sees nothing.
func split(data []byte) []part {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	parts := []part{{}}
	line := 0
	for text := range bytes.Lines(data) {
		rest, marker := bytes.CutPrefix(text, []byte("---"))
		if marker && (len(rest) == 0 || bytes.ContainsAny(rest[:1], " \t\r\n")) {
			parts = append(parts, part{line: line})
			text = append([]byte("   "), rest...) // what follows on the line keeps its column
		}
		last := &parts[len(parts)-1]
		last.data = append(last.data, text...)
		line++
	}
	return parts
}

// parse reads one document. A nil body is an empty one.
func (r *reader) parse(data []byte) (ast.Node, error) {
	file, err := parser.ParseBytes(data, 0)
	if err != nil {
		return nil, r.syntaxError(err)
	}
	var body ast.Node
	for _, d := range file.Docs {
		switch {
		case d.Body == nil:
		case body == nil:
			body = d.Body
		default:
			r.refuse(d.Body, "", "a second document without --- before it")
			return nil, errors.Join(r.errs...)
		}
	}
	return body, nil
}

// syntaxError keeps the parser's message and place, but not its excerpt of the
// file, in which a token could stand.
func (r *reader) syntaxError(err error) error {
	e := r.from.at(1, 1)
	problem := "not YAML"
	if y, ok := errors.AsType[yaml.Error](err); ok {
		message, _, _ := strings.Cut(y.GetMessage(), " at [") // a place that does not count from the file's start
		problem += ": " + message
		if tk := y.GetToken(); tk != nil && tk.Position != nil {
			e = r.from.at(tk.Position.Line, tk.Position.Column)
		}
	}
	e.Problem = problem
	return errors.Join(append(r.errs, e)...)
}

// walk checks an object's field names and keeps the values somebody reads.
// path is the object's, beginning with the kind.
func (r *reader) walk(d *document, path string, known fields, node ast.Node) {
	entries, ok := r.entries(node, path)
	if !ok {
		return
	}
	for _, e := range entries {
		at := path + "." + e.key
		f, ok := known[e.key]
		switch {
		case !ok:
			r.refuse(e.at, path, "unknown field %q%s", e.key, suggest(e.key, known))
			continue
		case f.only == beta4 && !d.beta4 || f.only == beta3 && d.beta4:
			r.refuse(e.at, path, "unknown field %q: %s has it, this document is %s", e.key, f.only, d.version)
			continue
		case f.shape == anything || e.value == nil || e.value.Type() == ast.NullType:
			continue
		}
		if v, ok := r.value(d, at, f, e.value); ok {
			d.values[strings.TrimPrefix(at, d.kind+".")] = v
		}
	}
}

// value reads one field, and what is below it.
func (r *reader) value(d *document, path string, f field, node ast.Node) (v value, ok bool) {
	v.node = node
	switch f.shape {
	case text:
		v.text, ok = r.text(node, path)
	case texts:
		v.texts, ok = r.texts(node, path)
	case number:
		v.number, ok = r.number(node, path)
	case gates:
		return v, r.gates(d, path, node)
	case object:
		before := len(r.errs)
		r.walk(d, path, f.fields, node)
		ok = len(r.errs) == before
	}
	return v, ok
}

func (r *reader) entries(node ast.Node, path string) ([]entry, bool) {
	var entries []entry
	switch m := node.(type) {
	case *ast.MappingNode:
		for _, v := range m.Values {
			entries = append(entries, entry{at: v.Key, value: v.Value})
		}
	case *ast.MappingValueNode:
		entries = append(entries, entry{at: m.Key, value: m.Value})
	default:
		r.refuse(node, path, "%s where fields are expected", describe(node))
		return nil, false
	}
	for i := range entries {
		key, ok := entries[i].at.(*ast.StringNode)
		if !ok {
			r.refuse(entries[i].at, path, "%s where a field's name is expected", describe(entries[i].at))
			return nil, false
		}
		entries[i].key = key.Value
	}
	return entries, true
}

// text refuses numbers and booleans: YAML reads 1.30 as 1.3.
func (r *reader) text(node ast.Node, path string) (string, bool) {
	switch s := node.(type) {
	case *ast.StringNode:
		return s.Value, true
	case *ast.LiteralNode:
		return s.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		r.refuse(node, path, "%s where text is expected; put it in quotes", describe(node))
	default:
		r.refuse(node, path, "%s where text is expected", describe(node))
	}
	return "", false
}

func (r *reader) texts(node ast.Node, path string) ([]value, bool) {
	list, ok := node.(*ast.SequenceNode)
	if !ok {
		r.refuse(node, path, "%s where a list is expected", describe(node))
		return nil, false
	}
	var values []value
	for i, n := range list.Values {
		s, isText := r.text(n, fmt.Sprintf("%s[%d]", path, i))
		values, ok = append(values, value{node: n, text: s}), ok && isText
	}
	return values, ok
}

func (r *reader) number(node ast.Node, path string) (int, bool) {
	if i, ok := node.(*ast.IntegerNode); ok {
		switch n := i.GetValue().(type) {
		case int64:
			if n >= math.MinInt32 && n <= math.MaxInt32 {
				return int(n), true
			}
		case uint64:
			if n <= math.MaxInt32 {
				return int(n), true
			}
		}
	}
	r.refuse(node, path, "%s where a small number is expected", describe(node))
	return 0, false
}

func (r *reader) gates(d *document, path string, node ast.Node) bool {
	entries, ok := r.entries(node, path)
	if !ok {
		return false
	}
	for _, e := range entries {
		at := path + "." + e.key
		if b, ok := e.value.(*ast.BoolNode); ok {
			d.values[strings.TrimPrefix(at, d.kind+".")] = value{node: e.value, on: b.Value}
		} else {
			r.refuse(e.at, at, "%s where true or false is expected", describe(e.value))
		}
	}
	return true
}

// describe says what stands there without repeating it.
func describe(node ast.Node) string {
	switch node.(type) {
	case nil, *ast.NullNode:
		return "nothing"
	case *ast.StringNode, *ast.LiteralNode:
		return "text"
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return "a number"
	case *ast.BoolNode:
		return "true or false"
	case *ast.SequenceNode:
		return "a list"
	case *ast.MappingNode, *ast.MappingValueNode:
		return "fields"
	case *ast.AnchorNode, *ast.AliasNode, *ast.MergeKeyNode:
		return "an anchor, alias or merge key"
	case *ast.TagNode:
		return "a tag"
	case *ast.DirectiveNode:
		return "a directive"
	default:
		return "something else"
	}
}

// suggest finds a known field that differs only in case, kubeadm's commonest slip.
func suggest(name string, known fields) string {
	for _, k := range slices.Sorted(maps.Keys(known)) {
		if strings.EqualFold(k, name) {
			return fmt.Sprintf(", did you mean %s?", k)
		}
	}
	return ""
}
