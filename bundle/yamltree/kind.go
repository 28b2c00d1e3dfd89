package yamltree

import "github.com/goccy/go-yaml/ast"

// Kind is what a file's first document says it is, by its fields apiVersion and kind;
// "" for one that it does not have, or that is no text.
func Kind(file *ast.File) (apiVersion, kind string) {
	for _, doc := range file.Docs {
		m, ok := doc.Body.(*ast.MappingNode)
		if !ok {
			continue
		}
		for _, field := range m.Values {
			value, ok := field.Value.(*ast.StringNode)
			if !ok {
				continue
			}
			switch field.Key.String() {
			case "apiVersion":
				apiVersion = value.Value
			case "kind":
				kind = value.Value
			}
		}
		return apiVersion, kind
	}
	return "", ""
}
