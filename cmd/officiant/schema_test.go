package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/ceremony/plan"
	"officiant/ceremony/preflight"
	"officiant/ceremony/revocation"
	"officiant/ceremony/station"
	"officiant/signer"
)

var update = flag.Bool("update", false, "write the schemas anew")

type object = map[string]any

// scalars are the schemas of types that are one value in YAML.
var scalars = map[reflect.Type]object{
	reflect.TypeFor[plan.Time](): {
		"type": "string", "pattern": `^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$`,
	},
	reflect.TypeFor[plan.Life]():          {"type": "string", "pattern": `^[0-9]+(\.[0-9]+)?(y|d|[hms].*)$`},
	reflect.TypeFor[plan.Duration]():      {"type": "string", "pattern": `^[0-9]+(\.[0-9]+)?(y|d|[hms].*)$`},
	reflect.TypeFor[fingerprint.SHA256](): {"type": "string", "description": "SHA-256, in hex"},
	reflect.TypeFor[kubepki.Naming]():     oneOf(kubepki.NamingKubeadm, kubepki.NamingDocs),
	reflect.TypeFor[kubepki.Role]():       oneOf(kubepki.ControlPlane, kubepki.Etcd, kubepki.Worker),
	reflect.TypeFor[kubepki.Authority]():  oneOf(plan.Families...),
	reflect.TypeFor[kubepki.Profile]():    oneOf(kubepki.Client, kubepki.Serving),
	reflect.TypeFor[signer.Algorithm]():   oneOf(signer.ECDSAP256, signer.ECDSAP384, signer.ECDSAP521, signer.RSA2048, signer.RSA3072, signer.RSA4096),
	reflect.TypeFor[signer.Grade]():       oneOf(signer.Attested, signer.Consistent, signer.Software, signer.Unproven),
	reflect.TypeFor[plan.Use]():           oneOf(plan.Issue, plan.Trust),
	reflect.TypeFor[netip.Addr]():         {"type": "string", "description": "IP address"},
	reflect.TypeFor[netip.Prefix]():       {"type": "string", "description": "network, such as 10.96.0.0/12"},
	reflect.TypeFor[plan.Serial]():        {"type": "string", "pattern": "^[0-9A-Fa-f]+$", "description": "serial number, in hex"},
	reflect.TypeFor[revocation.Reason]():  oneOf(revocation.Reasons...),
	reflect.TypeFor[preflight.Level]():    oneOf(preflight.Record, preflight.Warn, preflight.Refuse),
}

func oneOf[T ~string](values ...T) object {
	var all []any
	for _, v := range values {
		all = append(all, string(v))
	}
	return object{"enum": all}
}

// fields are what a struct's fields have in place of what their types say.
var fields = map[string]object{
	"Plan.apiVersion":    {"const": "officiant/v1"},
	"Plan.kind":          {"const": "Plan"},
	"Station.apiVersion": {"const": "officiant/v1"},
	"Station.kind":       {"const": "Station"},
	"Person.role":        oneOf("administrator", "officer", "witness"),
	"Station.keys":       {"type": "object", "additionalProperties": object{"type": "string", "pattern": "^(pkcs11|gcpkms|awskms):"}},
}

// required are the fields that have no default.
var required = map[string][]string{
	"Plan":        {"apiVersion", "kind", "name", "cluster", "previous", "authorities", "release"},
	"Station":     {"apiVersion", "kind", "name", "keys"},
	"Person":      {"name", "role", "key"},
	"Predecessor": {"cluster", "sequence", "head", "transcript"},
	"Lost":        {"sequence", "reason"},
	"Journal":     {"file", "line", "head", "grants"},
	"Authority":   {"name"}, "Node": {"name", "roles"}, "Extra": {"name"},
	"Grant": {"journal"}, "GrantNode": {"name", "roles"}, "GrantUser": {"name", "requester"},
}

// maker makes a schema of Go types, with their comments as descriptions.
type maker struct {
	t        *testing.T
	defs     object
	comments map[string]string // by "Type.Field"
}

func schemaOf(t *testing.T, title string, of any, sources ...string) []byte {
	t.Helper()
	m := &maker{t: t, defs: object{}, comments: map[string]string{}}
	for _, folder := range sources {
		m.read(folder)
	}
	top := m.object(reflect.TypeOf(of))
	top["$schema"], top["title"], top["$defs"] = "https://json-schema.org/draft/2020-12/schema", title, m.defs
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	must(t, enc.Encode(top))
	return out.Bytes()
}

// read takes the comments behind fields of a package's structs.
func (m *maker) read(folder string) {
	files, err := filepath.Glob(filepath.Join(folder, "*.go"))
	must(m.t, err)
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
		must(m.t, err)
		ast.Inspect(f, func(n ast.Node) bool {
			s, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if st, ok := s.Type.(*ast.StructType); ok {
				for _, field := range st.Fields.List {
					for _, name := range field.Names {
						m.comments[s.Name.Name+"."+name.Name] = strings.TrimSpace(field.Comment.Text())
					}
				}
			}
			return true
		})
	}
}

func (m *maker) object(t reflect.Type) object {
	properties := object{}
	for i := range t.NumField() {
		f := t.Field(i)
		name := f.Tag.Get("yaml")
		if !f.IsExported() || name == "" {
			continue
		}
		s, ok := fields[t.Name()+"."+name]
		if !ok {
			s = m.of(f.Type)
		}
		properties[name] = described(s, m.comments[t.Name()+"."+f.Name])
	}
	out := object{"type": "object", "properties": properties, "additionalProperties": false}
	if names := required[t.Name()]; names != nil {
		out["required"] = names
	}
	return out
}

// described adds a comment to a copy of a schema.
func described(s object, comment string) object {
	if comment == "" {
		return s
	}
	out := object{}
	for k, v := range s {
		out[k] = v
	}
	out["description"] = comment
	return out
}

func (m *maker) of(t reflect.Type) object {
	if s, ok := scalars[t]; ok {
		return s
	}
	switch t.Kind() {
	case reflect.Pointer:
		return m.of(t.Elem())
	case reflect.String:
		return object{"type": "string"}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Int, reflect.Int64:
		return object{"type": "integer"}
	case reflect.Slice:
		return object{"type": "array", "items": m.of(t.Elem())}
	case reflect.Map:
		if t == reflect.TypeFor[preflight.Policy]() {
			return policySchema()
		}
		return object{"type": "object", "additionalProperties": m.of(t.Elem())}
	case reflect.Struct:
		if t == reflect.TypeFor[plan.Previous]() {
			return object{"oneOf": []any{object{"const": "none"}, object{"type": "array", "items": m.of(reflect.TypeFor[plan.Predecessor]())},
				object{"type": "object", "additionalProperties": false, "required": []string{"lost"}, "properties": object{"lost": m.of(reflect.TypeFor[plan.Lost]())}}}}
		}
		if m.defs[t.Name()] == nil {
			m.defs[t.Name()] = object{}
			m.defs[t.Name()] = m.object(t)
		}
		return object{"$ref": "#/$defs/" + t.Name()}
	}
	m.t.Fatalf("no schema for %s", t)
	return nil
}

// policySchema has the checks of the room by name.
func policySchema() object {
	level := scalars[reflect.TypeFor[preflight.Level]()]
	properties := object{"default": level}
	for _, name := range preflight.Names() {
		properties[name] = level
	}
	return object{"type": "object", "properties": properties, "additionalProperties": false}
}

// TestSchemas: the schemas are those of the types that read plan and station. A new
// field is in them after: go test ./cmd/officiant -run TestSchemas -update
func TestSchemas(t *testing.T) {
	ceremony := filepath.Join("..", "..", "ceremony")
	for file, made := range map[string][]byte{
		"plan":    schemaOf(t, "Officiant plan", plan.Plan{}, filepath.Join(ceremony, "plan"), filepath.Join(ceremony, "approval")),
		"station": schemaOf(t, "Officiant station", station.Station{}, filepath.Join(ceremony, "station")),
	} {
		path := filepath.Join("schema", file+".schema.json")
		if *update {
			must(t, os.WriteFile(path, made, 0o644))
		}
		kept, err := os.ReadFile(path)
		must(t, err)
		if !bytes.Equal(kept, made) {
			t.Errorf("%s is not that of the Go types; write it anew: go test ./cmd/officiant -run TestSchemas -update", path)
		}
	}
}

// TestSchemaCommand: what is printed is what lies beside a new plan.
func TestSchemaCommand(t *testing.T) {
	for args, want := range map[string]string{"plan": "Officiant plan", "station": "Officiant station"} {
		var out bytes.Buffer
		code := execute(t.Context(), &options{Stdout: &out, Stderr: &out, Now: time.Now}, []string{"schema", args})
		if code != 0 || !strings.Contains(out.String(), want) || !json.Valid(out.Bytes()) {
			t.Errorf("schema %s: exit code %d\n%s", args, code, out.String())
		}
	}
	var out bytes.Buffer
	if code := execute(t.Context(), &options{Stdout: &out, Stderr: &out, Now: time.Now}, []string{"schema", "bundle"}); code != 2 {
		t.Errorf("a schema there is not: exit code %d", code)
	}
}
