package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"officiant/bundle/contents"
	"officiant/ceremony/ceremonytest"
	"officiant/ceremony/comparison"
	"officiant/ceremony/inventory"
	"officiant/cmd/internal/commandtest"
	"officiant/cmd/internal/terminal"
)

// listedCertificates is what inventory and expiry print.
type listedCertificates struct {
	Certificates []inventory.Item `json:"certificates"`
}

var outputFolder = filepath.Join("..", "..", "docs", "formats", "output")

// outputs are the types of what commands print with -o json, by command. Keys of one
// token are listed by "signer list URI".
var outputs = map[string]any{
	"ceremony check": checked{}, "ceremony diff": comparison.Comparison{}, "ceremony status": shownStatus{},
	"ceremony verify": verifiedCeremony{}, "ceremony inventory": listedCertificates{},
	"ceremony expiry": listedCertificates{}, "bundle inspect": shownBundle{}, "bundle verify": bundleVerdict{},
	"bundle diff": contents.Changes{}, "signer list": listedModules{}, "signer list URI": listedKeys{},
	"signer inspect": shownKey{}, "signer create": shownKey{}, "signer test": tested{}, "doctor": lookedAt{},
	"fleet status": shownFleet{},
}

// spelled are the schemas of types that spell themselves.
var spelled = map[reflect.Type]commandtest.Object{
	reflect.TypeFor[comparison.Entry](): {"type": "object", "required": []string{"n", "kind", "name", "line"},
		"additionalProperties": commandtest.Object{"type": "string"},
		"properties": commandtest.Object{
			"n":       commandtest.Object{"type": "integer"},
			"ca":      commandtest.Object{"type": "boolean"},
			"pathlen": commandtest.Object{"type": "integer"},
			"dns":     texts,
			"ip":      texts,
			"usage":   texts,
			"carried": texts,
			"trusts":  texts,
			"revoked": texts,
		}},
}

var texts = commandtest.Object{"type": "array", "items": commandtest.Object{"type": "string"}}

// TestOutputSchemas: the schemas of what commands print are those of their types.
func TestOutputSchemas(t *testing.T) {
	commandtest.Schemas(t, outputFolder, *update, outputs, spelled)
}

// TestOutputs runs every command that takes -o: JSON follows the schema, YAML says the
// same, and no command is left out.
func TestOutputs(t *testing.T) {
	needSoftHSM(t)
	dir, result := ceremonytest.New(t, ceremonytest.Shape{Workers: 1}).Run(t)
	room := t.TempDir()
	st := filepath.Join(room, "station.yaml")
	if code, _, talk := officiant(t, "softhsm", "init", "--dir", filepath.Join(room, "room"), "--station", st); code != 0 {
		t.Fatal(talk)
	}
	plan, bundles := filepath.Join(dir, "plan.yaml"), filepath.Join(dir, "bundles")
	tars, err := filepath.Glob(filepath.Join(bundles, "*.tar"))
	if err != nil || len(tars) < 2 {
		t.Fatal(tars, err)
	}
	published := filepath.Join(room, "published")
	if code, _, talk := officiant(t, "fleet", "publish", dir, "--to", published); code != 0 {
		t.Fatal(talk)
	}
	key := []string{"demo/root", "--station", st}
	seen := map[string]bool{}
	for _, c := range []struct {
		name string
		args []string
		code int
	}{
		{"ceremony check", []string{plan}, 0}, {"ceremony check", []string{filepath.Join(dir, "release.pub")}, 3},
		{"ceremony diff", []string{dir, plan}, 0}, {"ceremony status", []string{dir}, 0},
		{"ceremony verify", []string{dir}, 4},
		{"ceremony verify", []string{dir, "--release-key", result.Release.String()}, 0},
		{"ceremony inventory", []string{dir}, 0}, {"ceremony inventory", []string{dir, "--node", "none"}, 0},
		{"ceremony expiry", []string{dir, "--within", "2y"}, 7},
		{"bundle inspect", tars[:1], 0}, {"bundle verify", tars[:1], 4}, {"bundle diff", tars[:2], 0},
		{"signer create", append([]string{"--algorithm", "ECDSA-P256", "--evidence", "software"}, key...), 0},
		{"signer inspect", key, 0}, {"signer test", append([]string{"--seconds", "0.01"}, key...), 0},
		{"signer list URI", key, 0}, {"signer list", []string{"--station", st}, 0},
		{"doctor", []string{"--station", st}, 0}, {"fleet status", []string{published}, 7},
	} {
		seen[strings.TrimSuffix(c.name, " URI")] = true
		words := append(strings.Fields(strings.TrimSuffix(c.name, " URI")), c.args...)
		code, asJSON, talk := officiant(t, append(words, "-o", "json")...)
		if code != c.code {
			t.Errorf("%s: exit code %d, want %d: %s", c.name, code, c.code, talk)
		}
		commandtest.Follows(t, outputFolder, c.name, []byte(asJSON))
		if c.name != "signer create" {
			fitsScreens(t, words)
		}
		if c.name == "signer create" || c.name == "signer test" || c.name == "doctor" { // each time something else
			continue
		}
		_, asYAML, _ := officiant(t, append(words, "-o", "yaml")...)
		if !sameValue(t, asJSON, asYAML) {
			t.Errorf("%s: -o yaml says something else than -o json:\n%s", c.name, asYAML)
		}
	}
	commandtest.Each(newRootCommand(&options{}), func(c *cobra.Command, path []string) {
		f := c.Flags().Lookup("output")
		if f != nil && strings.Contains(f.Usage, "yaml") && !seen[strings.Join(path, " ")] {
			t.Errorf("%s is not tried", c.CommandPath())
		}
	})
}

// fitsScreens wants what people see of a command to fit on screens of 60 and 80 columns.
func fitsScreens(t *testing.T, args []string) {
	t.Helper()
	for _, width := range []int{60, 80} {
		var out strings.Builder
		screen := terminal.NewScreen(&out, fmt.Sprint(width))
		execute(t.Context(), testOptions(t, screen), args)
		_ = screen.Flush()
		for _, line := range commandtest.TooWide(out.String(), width) {
			t.Errorf("%v at %d columns: %q", args, width, line)
		}
	}
}

// sameValue reads both and holds them against each other.
func sameValue(t *testing.T, asJSON, asYAML string) bool {
	t.Helper()
	var v any
	if err := yaml.Unmarshal([]byte(asYAML), &v); err != nil {
		t.Errorf("%v\n%s", err, asYAML)
		return false
	}
	again, err := json.Marshal(v)
	must(t, err)
	var want, got bytes.Buffer
	must(t, json.Indent(&got, canonical(t, again), "", " "))
	must(t, json.Indent(&want, canonical(t, []byte(asJSON)), "", " "))
	return got.String() == want.String()
}

// canonical sorts the fields.
func canonical(t *testing.T, text []byte) []byte {
	t.Helper()
	var v any
	must(t, json.Unmarshal(text, &v))
	out, err := json.Marshal(v)
	must(t, err)
	return out
}
