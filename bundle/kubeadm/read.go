package kubeadm

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"officiant/bundle/nearest"
	"officiant/bundle/yamltree"
)

// reader collects what the files hold, and what is wrong with them.
type reader struct {
	from   origin // of the document at hand
	inMap  bool   // it is a ConfigMap's text
	docs   map[string]*document
	errs   []error
	notes  []*Error        // what kubeadm passes over, and we do
	others []string        // kinds that were passed over
	given  map[string]bool // fields nobody has to judge: the caller has them from elsewhere

	anchors map[string]ast.Node // of the document at hand
	merges  int                 // merge keys followed in it
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
	kind    string
	version version
	from    origin
	body    ast.Node
	values  map[string]value
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
	r.errs = append(r.errs, r.errorAt(at, field, format, args...))
}

// note keeps what people should hear and nothing stops for.
func (r *reader) note(at ast.Node, field, format string, args ...any) {
	r.notes = append(r.notes, r.errorAt(at, field, format, args...))
}

func (r *reader) errorAt(at ast.Node, field, format string, args ...any) *Error {
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
	return e
}

// part is one document of the file, with the number of lines before it.
type part struct {
	line int
	data []byte
}

// split cuts the file at its "---" lines, as kubeadm does. The parser cannot
// be left to do it: of what follows an empty document it sees nothing.
func split(data []byte) []part {
	parts := []part{{}}
	line, first := 0, false
	for text := range bytes.Lines(data) {
		if first { // files that were put together have a byte order mark here, too
			text = bytes.TrimPrefix(text, []byte("\ufeff"))
		}
		rest, marker := bytes.CutPrefix(text, []byte("---"))
		if marker && (len(rest) == 0 || bytes.ContainsAny(rest[:1], " \t\r\n")) {
			parts = append(parts, part{line: line})
			text = append([]byte("   "), rest...) // what follows on the line keeps its column
		}
		first = marker
		last := &parts[len(parts)-1]
		last.data = append(last.data, text...)
		line++
	}
	return parts
}

// parse reads one document. A nil body is an empty one.
func (r *reader) parse(data []byte) (ast.Node, error) {
	file, bad := yamltree.Parse(data, yamltree.Small, parser.AllowDuplicateMapKey())
	if bad != nil {
		e := r.from.at(bad.Line, bad.Column)
		e.Problem = bad.Problem
		return nil, errors.Join(append(r.errs, e)...)
	}
	var body ast.Node
	for _, d := range file.Docs {
		switch {
		case d.Body == nil || d.Body.Type() == ast.DirectiveType:
		case body == nil:
			body = d.Body
		case bytes.IndexByte(data, '\n') < 0 && bytes.IndexByte(data, '\r') >= 0:
			r.refuse(d.Body, "", "its lines end in CR alone, and kubeadm reads but the first document of it; save it with LF")
			return nil, errors.Join(r.errs...)
		default:
			r.refuse(d.Body, "", "a second document without --- before it")
			return nil, errors.Join(r.errs...)
		}
	}
	r.collectAnchors(body)
	return body, nil
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
			r.unknown(e, path, known)
			continue
		case r.given[at]:
			continue
		case !f.in(d.version) && f.judged():
			r.refuse(e.at, path, "unknown field %q: %s have it, this document is %s", e.key, f.span(), d.version)
			continue
		case f.shape == anything || e.value == nil || r.resolve(e.value).Type() == ast.NullType:
			continue
		}
		if v, ok := r.value(d, at, f, r.resolve(e.value)); ok {
			d.values[strings.TrimPrefix(at, d.kind+".")] = v
		}
	}
}

// unknown says what becomes of a field kubeadm does not know. kubeadm warns and
// goes on without it: so do we, unless it seems to be a slip in a field that
// certificates are made from.
func (r *reader) unknown(e entry, path string, known fields) {
	if k, ok := nearest.Name(e.key, maps.Keys(known)); ok {
		if known[k].judged() {
			r.refuse(e.at, path, "unknown field %q, did you mean %s? kubeadm leaves out what it does not know", e.key, k)
			return
		}
		r.note(e.at, path, "unknown field %q is left out, as kubeadm leaves it out; did you mean %s?", e.key, k)
		return
	}
	if place, ok := places[e.key]; ok {
		r.refuse(e.at, path, "unknown field %q: kubeadm leaves it out here; its place is %s", e.key, place)
		return
	}
	r.note(e.at, path, "unknown field %q is left out, as kubeadm leaves it out", e.key)
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

// text refuses numbers and booleans, as kubeadm does: YAML reads 1.30 as 1.3, and
// YAML 1.1, which is kubeadm's, reads yes as true.
func (r *reader) text(node ast.Node, path string) (string, bool) {
	switch s := r.resolve(node).(type) {
	case *ast.StringNode:
		if _, is := isSwitch(s); is {
			r.refuse(node, path, "%s is true or false to kubeadm, where text is expected; put it in quotes", s.Value)
			return "", false
		}
		if _, is := isNumber(s); is {
			r.refuse(node, path, "%s is a number to kubeadm, where text is expected; put it in quotes", s.Value)
			return "", false
		}
		return s.Value, true
	case *ast.LiteralNode:
		return s.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		r.refuse(node, path, "%s where text is expected; put it in quotes", describe(s))
	default:
		r.refuse(node, path, "%s where text is expected", describe(s))
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

// number reads a port as kubeadm does, to which 06443, 08443 and 6443.0 are ports.
func (r *reader) number(node ast.Node, path string) (int, bool) {
	n, ok := isNumber(node)
	switch {
	case !ok:
		r.refuse(node, path, "%s where a whole number is expected", describe(node))
	case n != math.Trunc(n):
		r.refuse(node, path, "%s is not a whole number", node.GetToken().Value)
	case n < math.MinInt32 || n > math.MaxInt32:
		r.refuse(node, path, "%s is too large a number", node.GetToken().Value)
	default:
		return int(n), true
	}
	return 0, false
}

// keysGate is the feature gate of ECDSA keys.
const keysGate = "PublicKeysECDSA"

func (r *reader) gates(d *document, path string, node ast.Node) bool {
	entries, ok := r.entries(node, path)
	if !ok {
		return false
	}
	for _, e := range entries {
		at := path + "." + e.key
		if e.value == nil || r.resolve(e.value).Type() == ast.NullType {
			continue
		}
		on, ok := isSwitch(r.resolve(e.value))
		if k, slip := nearest.Name(e.key, slices.Values([]string{keysGate})); slip {
			r.refuse(e.at, path, "kubeadm has no feature gate %q; did you mean %s?", e.key, k)
			continue
		}
		if !ok {
			r.refuse(e.at, at, "%s where true or false is expected", describe(r.resolve(e.value)))
			continue
		}
		d.values[strings.TrimPrefix(at, d.kind+".")] = value{node: e.value, on: on}
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
