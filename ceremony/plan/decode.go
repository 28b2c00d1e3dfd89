package plan

import (
	"encoding"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"officiant/bundle/charset"
	"officiant/bundle/nearest"
	"officiant/bundle/visible"
	"officiant/bundle/yamltree"
)

// Read reads a plan strictly: one document, known fields, each of its own
// kind, nothing empty, no anchors, aliases, tags or merges, no character a
// reviewer does not see. Problems go into r. Where they are of single values, the
// rest can be looked at all the same: r.Broken says when not.
func Read(r *Report, data []byte) *Plan {
	p := &Plan{}
	r.lines = strings.Split(string(data), "\n")
	r.broken = true // until it is a tree
	if !readable(r, data) {
		return p
	}
	if len(data) > largeSize {
		large, bad, ok := r.readLarge()
		if ok {
			r.broken = false
			return large
		}
		if len(data) > maxTree {
			r.refuseLarge(bad)
			return p
		}
		r.pieces = nil
	}
	root, ok := body(r, data)
	if !ok {
		return p
	}
	r.root, r.broken = root, false
	decoder{Report: r}.value(root, reflect.ValueOf(p).Elem(), "the plan")
	r.root = nil
	return p
}

// body parses a plan's one document.
func body(r *Report, data []byte) (ast.Node, bool) {
	file, bad := yamltree.Parse(data, limits)
	if bad != nil {
		r.Refuse(nil, "%s", bad.Problem)
		at := &r.Problems[len(r.Problems)-1]
		at.Line, at.Column, at.Excerpt = bad.Line, bad.Column, r.excerpt(bad.Line, bad.Column)
		return nil, false
	}
	if what := another(yamltree.Kind(file)); what != "" {
		r.Refuse(nil, "%s", what)
		return nil, false
	}
	var body ast.Node
	for _, doc := range file.Docs {
		switch {
		case doc.Body == nil:
		case doc.Body.Type() == ast.DirectiveType:
			r.refuseNode(doc.Body, "a plan has no YAML directives")
		case body != nil:
			r.refuseNode(doc.Body, "a plan is one document; here begins another")
		default:
			body = doc.Body
		}
	}
	if body == nil {
		r.Refuse(nil, "the plan is empty")
		return nil, false
	}
	return body, true
}

// another says what a file is that is somebody's, and no plan, and where it belongs; ""
// of what may be meant as a plan.
func another(version, what string) string {
	group, _, _ := strings.Cut(version, "/")
	switch {
	case version == apiVersion && what == "Station":
		return "is a station, not a plan: it says which token holds which key of one"
	case group == "kubeadm.k8s.io":
		return "is a kubeadm file, not a plan: officiant ceremony new writes one from it"
	case version != "" && group != "officiant" && what != "" && what != kind:
		return fmt.Sprintf("is a %s of %s, not a plan", what, version)
	}
	return ""
}

// readable refuses text that shows something else than it says: control
// characters, invisible ones, ones that turn the direction of writing.
func readable(r *Report, data []byte) bool {
	if len(data) > 262 && string(data[257:262]) == "ustar" {
		r.Refuse(nil, "is a tar archive, as a node's request or a bundle is, not a plan")
		return false
	}
	if name := charset.Name(data); name != "UTF-8" && name != "" {
		r.Refuse(nil, "is %s; a plan is UTF-8 without a byte order mark: save it so", name)
		return false
	}
	for i, line := range r.lines {
		column := 1
		for rest := strings.TrimSuffix(line, "\r"); rest != ""; column++ {
			c, size := utf8.DecodeRuneInString(rest)
			if c == utf8.RuneError && size == 1 {
				r.refuseCharacter(i+1, column, "byte 0x%02x is not UTF-8; save the plan as UTF-8", rest[0])
				return false
			}
			if !printable(c) {
				r.refuseCharacter(i+1, column, "character %U cannot be seen; a plan has only printable ones", c)
				return false
			}
			rest = rest[size:]
		}
	}
	return true
}

// MaxSize is how many bytes a plan has at most: some 14,000 nodes, of which Kubernetes
// supports 5,000 in a cluster.
const MaxSize = 8 << 20

// limits are above what any plan needs: its nodes are a list, which is read in pieces,
// with empty lines in place of the others.
var limits = yamltree.Limits{Bytes: 2 * maxTree, Depth: 64, Entries: 1000, Keys: 64 << 10, Documents: 8}

func printable(c rune) bool { return c == '\t' || unicode.IsPrint(c) }

func (r *Report) refuseCharacter(line, column int, format string, arg any) {
	r.Refuse(nil, format, arg)
	p := &r.Problems[len(r.Problems)-1]
	p.Line, p.Column, p.Excerpt = line, column, r.excerpt(line, column)
}

// decoder fills the plan's types from a YAML tree, by their yaml tags.
type decoder struct {
	*Report
	where At // of what is read
}

// below is the decoder of what stands at a key or an index.
func (d decoder) below(step any) decoder {
	return decoder{d.Report, append(d.where[:len(d.where):len(d.where)], step)}
}

// unread notes that the value there cannot be read. Which ceremonies a plan
// continues decides what else is right: without that, nothing else is looked at.
func (d decoder) unread() {
	d.failed = append(d.failed, d.where)
	if len(d.where) > 0 && d.where[0] == "previous" {
		d.broken = true
	}
}

// shape refuses what is not a mapping, a list or a value where it should be.
func (d decoder) shape(n ast.Node, format string, args ...any) {
	d.broken = true
	d.refuseNode(n, format, args...)
}

// nodeDecoder is a type whose YAML has a form of its own.
type nodeDecoder interface {
	decodeNode(d decoder, n ast.Node, what string)
}

func (d decoder) value(n ast.Node, dst reflect.Value, what string) {
	switch n.(type) {
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode, *ast.MergeKeyNode:
		d.shape(n, "a plan has no anchors, aliases and tags: write the value out")
		return
	case *ast.NullNode:
		d.shape(n, "%s has no value", what)
		return
	}
	switch v := dst.Addr().Interface().(type) {
	case nodeDecoder:
		v.decodeNode(d, n, what)
		return
	case encoding.TextUnmarshaler:
		if text, ok := d.text(n, what); ok {
			if err := v.UnmarshalText([]byte(text)); err != nil {
				d.unread()
				d.refuseNode(n, "%s: %v", what, err)
			}
		}
		return
	}
	switch dst.Kind() {
	case reflect.Struct:
		d.structure(n, dst, what)
	case reflect.Map:
		d.mapping(n, dst, what)
	case reflect.Slice:
		d.list(n, dst, what)
	case reflect.Pointer:
		dst.Set(reflect.New(dst.Type().Elem()))
		d.value(n, dst.Elem(), what)
	case reflect.String:
		if text, ok := d.text(n, what); ok {
			dst.SetString(text)
		}
	case reflect.Int:
		d.integer(n, dst, what)
	case reflect.Bool:
		b, ok := n.(*ast.BoolNode)
		if !ok {
			d.unread()
			d.refuseNode(n, "%s is true or false", what)
			return
		}
		dst.SetBool(b.Value)
	default:
		panic("plan: no YAML form for " + dst.Type().String())
	}
}

func (d decoder) structure(n ast.Node, dst reflect.Value, what string) {
	m, ok := n.(*ast.MappingNode)
	if !ok {
		d.shape(n, "%s is a mapping", what)
		return
	}
	fields := map[string]int{}
	for i := range dst.NumField() {
		fields[dst.Type().Field(i).Tag.Get("yaml")] = i
	}
	given := map[string]bool{}
	for _, v := range m.Values {
		given[v.Key.GetToken().Value] = true
	}
	for _, v := range m.Values {
		key := v.Key.GetToken().Value
		i, known := fields[key]
		if why, ok := refusedFields[key]; ok && !known {
			d.refuseToken(v.Key.GetToken(), "%s: %s", key, why)
			continue
		}
		if v.Key.Type() != ast.StringType || !known {
			d.refuseToken(v.Key.GetToken(), "unknown field %q in %s%s", key, what, nearest.Hint(key, maps.Keys(fields)))
			meant, ok := nearest.Name(key, maps.Keys(fields))
			if !ok || given[meant] {
				d.unread() // whatever the item now lacks may be what was meant
				continue
			}
			if d.meant == nil {
				d.meant = map[token.Position]string{}
			}
			d.meant[*v.Key.GetToken().Position] = meant
			key, i = meant, fields[meant] // so that nothing is missed on its account
		}
		d.below(key).value(v.Value, dst.Field(i), key)
	}
}

// refusedFields are what people would try, and why there is no such field.
var refusedFields = map[string]string{
	"import": "no key is imported. One that lay in a file has been where it can be copied, and nothing makes that unhappen; " +
		"in a token it would only look as if it had been made there. Keys are made in the token (create), and a cluster whose CA keys " +
		"are on disk is moved over to them: officiant ceremony adopt",
}

func (d decoder) mapping(n ast.Node, dst reflect.Value, what string) {
	m, ok := n.(*ast.MappingNode)
	if !ok {
		d.shape(n, "%s is a mapping", what)
		return
	}
	dst.Set(reflect.MakeMap(dst.Type()))
	for _, v := range m.Values {
		if v.Key.Type() != ast.StringType {
			d.broken = true
			d.refuseToken(v.Key.GetToken(), "%q is not a key of %s", v.Key.GetToken().Value, what)
			continue
		}
		key := v.Key.GetToken().Value
		item := reflect.New(dst.Type().Elem()).Elem()
		d.below(key).value(v.Value, item, key)
		dst.SetMapIndex(reflect.ValueOf(key), item)
	}
}

func (d decoder) list(n ast.Node, dst reflect.Value, what string) {
	l, ok := n.(*ast.SequenceNode)
	if !ok {
		d.shape(n, "%s is a list", what)
		return
	}
	dst.Set(reflect.MakeSlice(dst.Type(), len(l.Values), len(l.Values)))
	for i, v := range l.Values {
		d.below(i).value(v, dst.Index(i), "an item of "+what)
	}
}

// text is a scalar as it was written; a number counts as its digits, so that
// a version or a fingerprint need not be quoted.
func (d decoder) text(n ast.Node, what string) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		for _, c := range n.Value {
			if !visible.Rune(c) {
				d.unread()
				d.refuseNode(n, "%s has the character %U, which nobody sees", what, c)
				return "", false
			}
		}
		return n.Value, true
	case *ast.IntegerNode, *ast.FloatNode:
		return n.GetToken().Value, true
	case *ast.BoolNode:
		d.unread()
		d.refuseNode(n, "%s is text: put quotes around %s", what, n.GetToken().Value)
	default:
		d.shape(n, "%s is text on one line", what)
	}
	return "", false
}

func (d decoder) integer(n ast.Node, dst reflect.Value, what string) {
	if i, ok := n.(*ast.IntegerNode); ok {
		switch v := i.Value.(type) {
		case uint64:
			if v <= 1<<31-1 {
				dst.SetInt(int64(v))
				return
			}
		case int64:
			if v >= -1<<31 && v <= 1<<31-1 {
				dst.SetInt(v)
				return
			}
		}
	}
	d.unread()
	d.refuseNode(n, "%s is a whole number", what)
}
