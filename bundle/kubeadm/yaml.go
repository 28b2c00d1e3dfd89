package kubeadm

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// maxMerges is how many merge keys are followed in a document.
const maxMerges = 1000

// switches are the plain words that YAML 1.1 reads as true or false.
var switches = map[string]bool{
	"y": true, "Y": true, "yes": true, "Yes": true, "YES": true, "on": true, "On": true, "ON": true,
	"n": false, "N": false, "no": false, "No": false, "NO": false, "off": false, "Off": false, "OFF": false,
}

// isSwitch reads true or false as YAML 1.1 spells them.
func isSwitch(node ast.Node) (on, ok bool) {
	switch n := node.(type) {
	case *ast.BoolNode:
		return n.Value, true
	case *ast.StringNode:
		if n.Token != nil && n.Token.Type == token.StringType {
			on, ok = switches[n.Value]
		}
	}
	return on, ok
}

var float = regexp.MustCompile(`^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`)

// isNumber reads a plain scalar that is a number to kubeadm's parser, which goes by YAML
// 1.1: 5e10 and 08, which YAML 1.2 or this program's parser take for text, are numbers,
// and a node of that name has to be in quotes.
func isNumber(node ast.Node) (float64, bool) {
	switch n := node.(type) {
	case *ast.IntegerNode, *ast.FloatNode:
	case *ast.StringNode:
		if n.Token == nil || n.Token.Type != token.StringType {
			return 0, false
		}
	default:
		return 0, false
	}
	plain := strings.TrimSpace(node.GetToken().Value)
	if plain == "" || !strings.Contains("+-.0123456789", plain[:1]) {
		return 0, false
	}
	plain = strings.ReplaceAll(plain, "_", "")
	if i, err := strconv.ParseInt(plain, 0, 64); err == nil {
		return float64(i), true
	}
	if !float.MatchString(plain) {
		return 0, false
	}
	f, err := strconv.ParseFloat(plain, 64)
	return f, err == nil
}

// collectAnchors notes what the document's anchors name.
func (r *reader) collectAnchors(body ast.Node) {
	r.anchors, r.merges = make(map[string]ast.Node), 0
	if body != nil {
		ast.Walk(r, body)
	}
}

// Visit is ast.Visitor's, for collectAnchors.
func (r *reader) Visit(n ast.Node) ast.Visitor {
	if a, ok := n.(*ast.AnchorNode); ok && a.Name != nil {
		r.anchors[a.Name.String()] = a.Value
	}
	return r
}

// resolve looks through anchors, aliases and the tag of text.
func (r *reader) resolve(node ast.Node) ast.Node {
	for range 16 { // an alias of an alias, or of itself
		switch n := node.(type) {
		case *ast.AnchorNode:
			node = n.Value
		case *ast.AliasNode:
			to, ok := r.anchors[n.Value.String()]
			if !ok {
				return node
			}
			node = to
		case *ast.TagNode:
			if n.Start == nil || n.Start.Value != "!!str" || n.Value == nil {
				return node
			}
			return &ast.StringNode{BaseNode: &ast.BaseNode{}, Token: quoted(n.Value.GetToken()), Value: n.Value.GetToken().Value}
		default:
			return node
		}
	}
	return node
}

// quoted is the token of text that is text whatever it looks like.
func quoted(tk *token.Token) *token.Token {
	c := *tk
	c.Type = token.SingleQuoteType
	return &c
}

// entries returns a mapping's, those that a merge key brings included. A key that
// is there twice with different values is refused: kubeadm takes the last, and a
// reader sees the first.
func (r *reader) entries(node ast.Node, path string) ([]entry, bool) {
	var values []*ast.MappingValueNode
	switch m := r.resolve(node).(type) {
	case *ast.MappingNode:
		values = m.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{m}
	default:
		r.refuse(node, path, "%s where fields are expected", describe(m))
		return nil, false
	}
	var entries, merged []entry
	seen := make(map[string]bool)
	for _, v := range values {
		if _, ok := v.Key.(*ast.MergeKeyNode); ok {
			more, ok := r.merged(v.Value, path)
			if !ok {
				return nil, false
			}
			merged = append(merged, more...)
			continue
		}
		var at ast.Node = v.Key
		if long, ok := v.Key.(*ast.MappingKeyNode); ok { // "? key"
			at = long.Value
		}
		key, ok := r.resolve(at).(*ast.StringNode)
		if !ok {
			r.refuse(v.Key, path, "%s where a field's name is expected", describe(v.Key))
			return nil, false
		}
		if seen[key.Value] {
			if again(entries, key.Value, r.resolve(v.Value)) {
				continue
			}
			r.refuse(v.Key, path, "%q is there twice; kubeadm takes the last", key.Value)
			return nil, false
		}
		seen[key.Value] = true
		entries = append(entries, entry{key: key.Value, at: v.Key, value: v.Value})
	}
	for _, e := range merged { // what stands in the mapping itself goes before
		if !seen[e.key] {
			seen[e.key] = true
			entries = append(entries, e)
		}
	}
	return entries, true
}

// again says whether a key that is there twice has the same text both times.
func again(entries []entry, key string, value ast.Node) bool {
	for _, e := range entries {
		first, ok := e.value.(*ast.StringNode)
		second, same := value.(*ast.StringNode)
		if e.key == key {
			return ok && same && first.Token.Type == second.Token.Type && first.Value == second.Value
		}
	}
	return false
}

// merged are the entries of what a merge key names: a mapping, or several.
func (r *reader) merged(node ast.Node, path string) ([]entry, bool) {
	if r.merges++; r.merges > maxMerges {
		r.refuse(node, path, "more than %d merge keys", maxMerges)
		return nil, false
	}
	list, ok := r.resolve(node).(*ast.SequenceNode)
	if !ok {
		return r.entries(node, path)
	}
	var all []entry
	for _, n := range list.Values {
		more, ok := r.entries(n, path)
		if !ok {
			return nil, false
		}
		all = append(all, more...)
	}
	return all, true
}
