package commandtest

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// Object is an object of JSON.
type Object = map[string]any

// Schemas compares the JSON Schemas in a folder with the Go types that commands print, by
// name. With update, each file is rewritten from its type. given are the schemas of types
// that marshal themselves.
func Schemas(t *testing.T, folder string, update bool, of map[string]any, given map[reflect.Type]Object) {
	t.Helper()
	for name, printed := range of {
		made := schemaOf(t, "What "+name+" prints", reflect.TypeOf(printed), given)
		path := filepath.Join(folder, strings.ReplaceAll(name, " ", "-")+".schema.json")
		if update {
			if err := os.WriteFile(path, made, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		kept, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(kept, made) {
			t.Errorf("%s is not that of the Go types (%v); write it anew: go test -run %s -update", path, err, t.Name())
		}
	}
}

// Follows wants a JSON text to follow the schema of a command.
func Follows(t *testing.T, folder, name string, text []byte) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(folder, strings.ReplaceAll(name, " ", "-")+".schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	var schema Object
	if err := json.Unmarshal(data, &schema); err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Errorf("%s: %v\n%s", name, err, text)
		return
	}
	for _, wrong := range Violations(schema, schema, v, name) {
		t.Error(wrong)
	}
}

func schemaOf(t *testing.T, title string, printed reflect.Type, given map[reflect.Type]Object) []byte {
	t.Helper()
	m := &maker{given: given, defs: Object{}}
	top := m.object(printed)
	top["$schema"], top["title"] = "https://json-schema.org/draft/2020-12/schema", title
	if len(m.defs) > 0 {
		top["$defs"] = m.defs
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(top); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// maker makes a schema of Go types as encoding/json writes them.
type maker struct {
	given map[reflect.Type]Object
	defs  Object
}

var spelled = reflect.TypeFor[encoding.TextMarshaler]()

func (m *maker) of(t reflect.Type) Object {
	if s, ok := m.given[t]; ok {
		return s
	}
	switch {
	case t == reflect.TypeFor[time.Time]():
		return Object{"type": "string", "pattern": `^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(Z|[+-][0-9:]+)$`}
	case t.Implements(spelled):
		return Object{"type": "string"}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return m.of(t.Elem())
	case reflect.String:
		return Object{"type": "string"}
	case reflect.Bool:
		return Object{"type": "boolean"}
	case reflect.Float64:
		return Object{"type": "number"}
	case reflect.Int, reflect.Int64:
		return Object{"type": "integer"}
	case reflect.Slice:
		return Object{"type": "array", "items": m.of(t.Elem())}
	case reflect.Map:
		return Object{"type": "object", "additionalProperties": m.of(t.Elem())}
	case reflect.Struct:
		if m.defs[t.Name()] == nil {
			m.defs[t.Name()] = Object{}
			m.defs[t.Name()] = m.object(t)
		}
		return Object{"$ref": "#/$defs/" + t.Name()}
	}
	panic("no schema for " + t.String())
}

func (m *maker) object(t reflect.Type) Object {
	properties, required := Object{}, []string{}
	m.fields(t, properties, &required)
	slices.Sort(required)
	return Object{"type": "object", "properties": properties, "additionalProperties": false, "required": required}
}

func (m *maker) fields(t reflect.Type, properties Object, required *[]string) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	for i := range t.NumField() {
		f := t.Field(i)
		tag := f.Tag.Get("json")
		if f.Anonymous && tag == "" {
			m.fields(f.Type, properties, required)
			continue
		}
		name, more, _ := strings.Cut(tag, ",")
		if !f.IsExported() || name == "" || name == "-" {
			continue
		}
		s := m.of(f.Type)
		optional := more == "omitempty" || more == "omitzero"
		if !optional {
			*required = append(*required, name)
			if f.Type.Kind() == reflect.Pointer { // written as null
				s = Object{"oneOf": []any{s, Object{"type": "null"}}}
			}
		}
		properties[name] = s
	}
}

// Violations holds a value against a schema. It knows what our schemas use, and
// anything else is a violation.
func Violations(root, schema Object, v any, at string) (out []string) {
	bad := func(format string, args ...any) { out = append(out, at+": "+fmt.Sprintf(format, args...)) }
	for key, want := range schema {
		switch key {
		case "$schema", "title", "description", "$defs":
		case "$ref":
			name := strings.TrimPrefix(want.(string), "#/$defs/")
			out = append(out, Violations(root, root["$defs"].(Object)[name].(Object), v, at)...)
		case "const":
			if !reflect.DeepEqual(v, want) {
				bad("is %v, not %v", v, want)
			}
		case "enum":
			if !slices.Contains(want.([]any), v) {
				bad("%v is none of %v", v, want)
			}
		case "pattern":
			if s, ok := v.(string); ok && !regexp.MustCompile(want.(string)).MatchString(s) {
				bad("%q does not match %s", s, want)
			}
		case "type":
			if !isA(v, want.(string)) {
				bad("%v is no %s", v, want)
			}
		case "required":
			for _, name := range want.([]any) {
				fields, ok := v.(Object)
				if _, has := fields[name.(string)]; ok && !has {
					bad("has no %s", name)
				}
			}
		case "items":
			list, _ := v.([]any)
			for i, item := range list {
				out = append(out, Violations(root, want.(Object), item, fmt.Sprintf("%s[%d]", at, i))...)
			}
		case "oneOf":
			if !slices.ContainsFunc(want.([]any), func(s any) bool { return len(Violations(root, s.(Object), v, at)) == 0 }) {
				bad("is none of the alternatives")
			}
		case "properties", "additionalProperties": // together, below
		default:
			bad("the schema has %q, which this test does not know", key)
		}
	}
	return append(out, properties(root, schema, v, at)...)
}

func properties(root, schema Object, v any, at string) (out []string) {
	fields, _ := v.(Object)
	known, _ := schema["properties"].(Object)
	for name, value := range fields {
		if s, ok := known[name].(Object); ok {
			out = append(out, Violations(root, s, value, at+"."+name)...)
			continue
		}
		switch other := schema["additionalProperties"].(type) {
		case Object:
			out = append(out, Violations(root, other, value, at+"."+name)...)
		case bool:
			out = append(out, at+": has a field "+name)
		}
	}
	return out
}

func isA(v any, kind string) bool {
	switch v := v.(type) {
	case nil:
		return kind == "null"
	case string:
		return kind == "string"
	case bool:
		return kind == "boolean"
	case uint64, int64, int:
		return kind == "integer" || kind == "number"
	case float64: // as encoding/json reads every number
		return kind == "number" || kind == "integer" && v == float64(int64(v))
	case []any:
		return kind == "array"
	case Object:
		return kind == "object"
	}
	return false
}
