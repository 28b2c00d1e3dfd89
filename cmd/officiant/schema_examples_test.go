package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"officiant/cmd/internal/commandtest"
)

// schemas are those that the program prints, by the kind of file.
func schemas(t *testing.T) map[string]object {
	out := map[string]object{}
	for kind, text := range map[string][]byte{"Plan": planSchema, "Station": stationSchema} {
		var s object
		must(t, json.Unmarshal(text, &s))
		out[kind] = s
	}
	return out
}

var (
	fenced   = regexp.MustCompile("(?ms)^```(?:yaml)?\n(.*?)^```")
	heredoc  = regexp.MustCompile(`(?ms)<<'?YAML'?\n(.*?)^YAML$`)
	ofAKind  = regexp.MustCompile(`(?m)^kind: (Plan|Station)$`)
	ellipsis = regexp.MustCompile(`(?m)^\s*(…|\.\.\.)$`)
)

// TestExamplesFollowTheSchemas holds every plan and station in the documents, and
// a new plan, against the schemas.
func TestExamplesFollowTheSchemas(t *testing.T) {
	all := map[string]string{}
	pages, err := filepath.Glob(filepath.Join("..", "..", "docs", "*", "*.md"))
	must(t, err)
	more, err := filepath.Glob(filepath.Join("..", "..", "docs", "*.md"))
	must(t, err)
	for _, page := range append(append(pages, more...), filepath.Join("..", "..", "README.md")) {
		text, err := os.ReadFile(page)
		must(t, err)
		for i, m := range append(fenced.FindAllStringSubmatch(string(text), -1), heredoc.FindAllStringSubmatch(string(text), -1)...) {
			if ofAKind.MatchString(m[1]) {
				all[fmt.Sprintf("%s, block %d", page, i)] = m[1]
			}
		}
	}
	for _, golden := range []string{"template.yaml"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "ceremony", "schedule", "testdata", golden))
		must(t, err)
		all[golden] = string(text)
	}
	if len(all) < 10 {
		t.Errorf("only %d examples", len(all))
	}
	known := schemas(t)
	for name, text := range all {
		for _, v := range held(t, known, ellipsis.ReplaceAllString(text, "")) {
			t.Errorf("%s: %s", name, v)
		}
	}
}

// held is what is wrong with a plan or station by its schema.
func held(t *testing.T, known map[string]object, text string) []string {
	t.Helper()
	kind := ofAKind.FindStringSubmatch(text)[1]
	var v any
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		return []string{err.Error()}
	}
	return commandtest.Violations(known[kind], known[kind], v, kind)
}

// TestSchemasRefuse shows that the schemas say no.
func TestSchemasRefuse(t *testing.T) {
	good := "apiVersion: officiant/v1\nkind: Plan\nname: demo-1\ncluster: {name: demo}\nprevious: none\nauthorities:\n  - {name: root, key: {create: ECDSA-P384}}\nrelease: {key: {create: ECDSA-P256}}\nnodes:\n  - {name: cp-1, roles: [etcd]}\n"
	room := "apiVersion: officiant/v1\nkind: Station\nname: room\nkeys: {default: \"pkcs11:token=x\"}\npreflight: {swap: warn}\n"
	known := schemas(t)
	for _, text := range []string{good, room} {
		for _, v := range held(t, known, text) {
			t.Error(v)
		}
	}
	for _, c := range []struct{ text, old, new, says string }{
		{good, "name: demo-1", "nam: demo-1", "Plan: has a field nam"},
		{good, "name: demo-1\n", "", "Plan: has no name"},
		{good, "previous: none", "previous: nothing", "Plan.previous: is none of the alternatives"},
		{good, "ECDSA-P384", "ECDSA-P192", "Plan.authorities[0].key.create: ECDSA-P192 is none of"},
		{good, "roles: [etcd]", "roles: [master]", "Plan.nodes[0].roles[0]: master is none of"},
		{good, "{name: demo}", "{name: demo, dns: x}", "Plan.cluster: has a field dns"},
		{good, "officiant/v1", "officiant/v2", "Plan.apiVersion: is officiant/v2, not officiant/v1"},
		{good, "nodes:\n", "approvals: two\nnodes:\n", "Plan.approvals: two is no integer"},
		{room, "pkcs11:", "file:", `Station.keys.default: "file:token=x" does not match`},
		{room, "swap: warn", "swap: scold", "Station.preflight.swap: scold is none of"},
		{room, "swap: warn", "swop: warn", "Station.preflight: has a field swop"},
		{room, "name: room", "name: [room]", "Station.name: [room] is no string"},
	} {
		found := strings.Join(held(t, known, strings.Replace(c.text, c.old, c.new, 1)), "\n")
		if !strings.Contains(found, c.says) {
			t.Errorf("%s in place of %s: found %q, want %s", c.new, c.old, found, c.says)
		}
	}
}
