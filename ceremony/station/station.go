package station

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"officiant/bundle/fingerprint"
	"officiant/bundle/nearest"
	"officiant/bundle/yamltree"
	"officiant/ceremony/preflight"
	"officiant/signer"
)

const (
	apiVersion = "officiant/v1"
	kind       = "Station"
	// defaultKey holds for every key that has no line of its own.
	defaultKey = "default"
)

// limits are well above what a station of a hundred tokens needs.
var limits = yamltree.Limits{Bytes: 256 << 10, Depth: 16, Entries: 1000, Keys: 4000, Documents: 2}

var label = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// Station is station.yaml.
type Station struct {
	APIVersion  string                  `yaml:"apiVersion"`
	Kind        string                  `yaml:"kind"`
	Name        string                  `yaml:"name"`
	Keys        map[string]string       `yaml:"keys"`        // URIs by the plan's names of keys
	Environment map[string]string       `yaml:"environment"` // set before a module is loaded
	Evidence    map[string]signer.Grade `yaml:"evidence"`    // least grade by the plan's names of keys; a plan's may be higher
	Preflight   preflight.Policy        `yaml:"preflight"`   // levels of the checks of the room; nil: all are recorded
	Backups     map[string]string       `yaml:"backups"`     // URIs of keys' clones, by the plan's names of keys
	Timeout     string                  `yaml:"timeout"`     // how long a token may take to answer: "30s"

	file   string
	digest fingerprint.SHA256
}

// Invalid says what is wrong with a station file, and where. It repeats
// nothing of a URI, which may hold what it should not.
type Invalid struct {
	File         string
	Line, Column int // 0 when not known
	Reason       string
}

func (e *Invalid) Error() string {
	if e.Line == 0 {
		return e.File + ": " + e.Reason
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Reason)
}

// Open reads a station file. A file that is not as it must be is an *Invalid.
func Open(path string) (*Station, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, int64(limits.Bytes)+1))
	if err != nil {
		return nil, err
	}
	return Parse(path, data)
}

// Parse reads a station; file is its name in messages.
func Parse(file string, data []byte) (*Station, error) {
	tree, bad := yamltree.Parse(data, limits)
	if bad != nil {
		return nil, &Invalid{File: file, Line: bad.Line, Column: bad.Column, Reason: bad.Problem}
	}
	if what := another(yamltree.Kind(tree)); what != "" {
		return nil, &Invalid{File: file, Reason: what}
	}
	if err := oneDocument(file, tree); err != nil {
		return nil, err
	}
	s := &Station{file: file, digest: fingerprint.Of(data)}
	if err := yaml.NewDecoder(bytes.NewReader(data), yaml.DisallowUnknownField()).Decode(s); err != nil {
		return nil, invalid(file, err)
	}
	if path, reason := s.check(); reason != "" {
		return nil, at(file, find(tree, path), reason)
	}
	if token := find(tree, []string{"preflight"}); token != nil && s.Preflight == nil {
		return nil, at(file, token, "preflight is empty, which would mean the same as none; {} is a policy of each "+
			"check's own level")
	}
	return s, nil
}

// another says what a file is that is no station; "" of what may be meant as one.
func another(version, what string) string {
	group, _, _ := strings.Cut(version, "/")
	switch {
	case version == apiVersion && what == "Plan":
		return "is a plan, not a station, which says which token holds which key"
	case version != "" && group != "officiant" && what != "" && what != kind:
		return fmt.Sprintf("is a %s of %s, not a station, which says which token holds which key", what, version)
	}
	return ""
}

func oneDocument(file string, tree *ast.File) error {
	if len(tree.Docs) == 0 || tree.Docs[0].Body == nil {
		return &Invalid{File: file, Reason: "the station is empty"}
	}
	if len(tree.Docs) > 1 {
		return at(file, tree.Docs[1].Start, "a station is one document; here another begins")
	}
	plain := &onlyPlain{}
	ast.Walk(plain, tree.Docs[0].Body)
	if plain.found != nil {
		return at(file, plain.found, "a station cannot have anchors, aliases or tags: write the value out")
	}
	return nil
}

// onlyPlain looks for YAML that makes a reader look elsewhere.
type onlyPlain struct{ found *token.Token }

func (v *onlyPlain) Visit(n ast.Node) ast.Visitor {
	switch n.(type) {
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode, *ast.MergeKeyNode, *ast.DirectiveNode:
		if v.found == nil {
			v.found = n.GetToken()
		}
	case *ast.NullNode:
	}
	return v
}

// invalid leaves the excerpt of a YAML error out.
func invalid(file string, err error) error {
	var e yaml.Error
	if errors.As(err, &e) {
		return at(file, e.GetToken(), e.GetMessage()+meant(e.GetMessage()))
	}
	return &Invalid{File: file, Reason: err.Error()}
}

// meant says which field of a station, or of its policy, an unknown one is near to.
func meant(message string) string {
	quoted, ok := strings.CutPrefix(message, "unknown field ")
	if !ok {
		return ""
	}
	return nearest.Hint(strings.Trim(quoted, `"`), func(yield func(string) bool) {
		for f := range reflect.TypeFor[Station]().Fields() {
			if name := f.Tag.Get("yaml"); name != "" && !yield(name) {
				return
			}
		}
	})
}

func at(file string, t *token.Token, reason string) error {
	e := &Invalid{File: file, Reason: reason}
	if t != nil && t.Position != nil {
		e.Line, e.Column = t.Position.Line, t.Position.Column
	}
	return e
}

// find is where the value of a path of keys begins.
func find(tree *ast.File, path []string) *token.Token {
	n := tree.Docs[0].Body
	var found *token.Token
	for _, key := range path {
		m, ok := n.(*ast.MappingNode)
		if !ok {
			break
		}
		for _, v := range m.Values {
			if v.Key.GetToken().Value == key {
				n, found = v.Value, v.Key.GetToken()
			}
		}
	}
	return found
}

// Digest is the SHA-256 of the file.
func (s *Station) Digest() fingerprint.SHA256 { return s.digest }

// Ref says where the key of a name lives; its label is CLUSTER/NAME.
func (s *Station) Ref(cluster, name string) (signer.Ref, error) {
	uri, ok := s.Keys[name]
	if !ok {
		uri, ok = s.Keys[defaultKey]
	}
	if !ok {
		return signer.Ref{}, &Invalid{File: s.file, Reason: fmt.Sprintf("no place for the key %q: keys has neither %s nor default", name, name)}
	}
	return signer.Ref{URI: uri, Label: cluster + "/" + name}, nil
}

// Least is the least grade of evidence the station accepts of a key; empty when
// it leaves that to the plan.
func (s *Station) Least(name string) signer.Grade {
	if g, ok := s.Evidence[name]; ok {
		return g
	}
	return s.Evidence[defaultKey]
}

// inherited is the value of a variable that people export before the run.
const inherited = "inherit"

// Variables are those to be set before a module is loaded, without those that are
// exported.
func (s *Station) Variables() map[string]string {
	set := map[string]string{}
	for name, value := range s.Environment {
		if value != inherited {
			set[name] = value
		}
	}
	return set
}

// Named are the variables that a module gets besides those of its kind, sorted. only says
// that a module of unknown kind gets no others, which holds where the station's policy
// does more than record the environment.
func (s *Station) Named() (names []string, only bool) {
	return slices.Sorted(maps.Keys(s.Environment)), s.Preflight.Heeds("environment")
}

// Patience is how long a token may take to answer; 0 when the station does not say.
func (s *Station) Patience() time.Duration {
	d, _ := time.ParseDuration(s.Timeout) // check has seen to it
	return d
}
