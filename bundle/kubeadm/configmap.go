package kubeadm

import (
	"bytes"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

const (
	configMapKind = "ConfigMap"
	listKind      = "List"
	configMapName = "kubeadm-config"
)

// configMap reads the ClusterConfiguration kubeadm keeps in the cluster, as
// `kubectl -n kube-system get cm kubeadm-config -o yaml` and -o json print it.
// Other ConfigMaps are passed over.
func (r *reader) configMap(body ast.Node, data []byte) error {
	if r.inMap {
		r.refuse(body, "", "a ConfigMap inside a ConfigMap")
		return nil
	}
	if s, ok := r.member(r.member(body, "metadata"), "name").(*ast.StringNode); !ok || s.Value != configMapName {
		return nil
	}
	kept := r.member(r.member(body, "data"), clusterKind)
	if kept == nil {
		r.refuse(body, "", "the ConfigMap %s has no data.%s", configMapName, clusterKind)
		return nil
	}
	text, ok := r.text(kept, "data."+clusterKind)
	if !ok {
		return nil
	}
	outer := r.from
	defer func() { r.from, r.inMap = outer, false }()
	r.inMap = true
	if err := r.read(outer.inside(kept, data), []byte(text)); err != nil {
		return err
	}
	if r.docs[clusterKind] == nil && len(r.errs) == 0 {
		r.from = outer
		r.refuse(kept, "data."+clusterKind, "holds no %s", clusterKind)
	}
	return nil
}

// list reads what `kubectl get cm -o yaml` prints without a name: ConfigMaps in a
// List. What else is in it is passed over.
func (r *reader) list(body ast.Node, data []byte) error {
	items, ok := r.resolve(r.member(body, "items")).(*ast.SequenceNode)
	if !ok {
		return nil
	}
	for _, item := range items.Values {
		if kind, ok := r.member(item, "kind").(*ast.StringNode); ok && kind.Value == configMapKind {
			if err := r.configMap(item, data); err != nil {
				return err
			}
		}
	}
	return nil
}

// member is a field's value; nil when there is none.
func (r *reader) member(of ast.Node, name string) ast.Node {
	switch r.resolve(of).(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
	default:
		return nil
	}
	entries, _ := r.entries(of, "")
	for _, e := range entries {
		if e.key == name {
			return r.resolve(e.value)
		}
	}
	return nil
}

// inside is where a text begins that stands as a value in data. Only a block
// that keeps its lines ("|") has places of its own.
func (o origin) inside(value ast.Node, data []byte) origin {
	tk := value.GetToken()
	if tk == nil || tk.Position == nil {
		return o
	}
	block, ok := value.(*ast.LiteralNode)
	if !ok || block.Start == nil || !strings.HasPrefix(block.Start.Value, "|") {
		at := o.at(tk.Position.Line, tk.Position.Column)
		return origin{file: o.file, line: at.Line, column: at.Column, fixed: true}
	}
	o = o.below(tk.Position.Line)
	lines := bytes.Split(data, []byte("\n"))
	for _, line := range lines[min(tk.Position.Line, len(lines)):] {
		if text := bytes.TrimLeft(line, " "); len(bytes.TrimSpace(text)) > 0 {
			o.column += len(line) - len(text)
			break
		}
	}
	return o
}
