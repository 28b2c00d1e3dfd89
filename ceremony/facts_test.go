package ceremony_test

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// facts is testdata/facts.yaml.
type facts struct {
	Releases     []string
	Modes        map[string]string   // by the end of a file's name
	Files        map[string][]string // by kind of node
	Authorities  map[string]struct{ CN, File string }
	Certificates []factRow
	Kubeconfigs  []factRow
	Bindings     []fact[[]string]
}

// factRow is one certificate, or the one inside a kubeconfig.
type factRow struct {
	File         string // of a certificate: without .crt and .key
	Since        string
	Nodes        []string // kinds of nodes that have it
	CN           string
	Authority    string
	Organization []fact[[]string]
	Usages       []string
	DNS, IP      []string
	Server       map[string][]fact[string] // by kind of node; "external" is as "first"
}

// fact is a value that holds from a release on.
type fact[T any] struct {
	Since string
	Also  []string
	Value T
}

func readFacts(t *testing.T) *facts {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "facts.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	f := &facts{}
	if err := yaml.UnmarshalWithOptions(data, f, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	return f
}

// numbers takes a release apart; what is no release sorts first.
func numbers(release string) []int {
	var out []int
	for part := range strings.SplitSeq(release, ".") {
		n, err := strconv.Atoi(part)
		if err != nil {
			return nil
		}
		out = append(out, n)
	}
	return out
}

func (f fact[T]) holds(release string) bool {
	have := numbers(release)
	if slices.Compare(have, numbers(f.Since)) >= 0 {
		return true
	}
	return slices.ContainsFunc(f.Also, func(patch string) bool {
		from := numbers(patch)
		return slices.Equal(have[:2], from[:2]) && have[2] >= from[2]
	})
}

// value is the last of the list that holds.
func value[T any](list []fact[T], release string) T {
	var v T
	for _, f := range list {
		if f.holds(release) {
			v = f.Value
		}
	}
	return v
}

// here says whether a kind of node has the row in a release.
func (r factRow) here(kind, release string) bool {
	return slices.Contains(r.Nodes, kind) && slices.Compare(numbers(release), numbers(cmp.Or(r.Since, "1.0.0"))) >= 0
}

// TestFactsCanBeWrong shows that the reading of the facts tells releases apart.
func TestFactsCanBeWrong(t *testing.T) {
	list := []fact[string]{{Since: "1.17.0", Value: "a"}, {Since: "1.29.0", Value: "b"}, {Since: "1.37.0", Also: []string{"1.33.12", "1.36.1"}, Value: "c"}}
	for release, want := range map[string]string{
		"1.17.0": "a", "1.28.99": "a", "1.29.0": "b", "1.33.11": "b", "1.33.12": "c", "1.34.12": "b", "1.36.0": "b", "1.36.10": "c", "1.37.0": "c", "1.16.9": "",
	} {
		if got := value(list, release); got != want {
			t.Errorf("%s: %q, want %q", release, got, want)
		}
	}
	row := factRow{Nodes: []string{"first"}, Since: "1.29.0"}
	if row.here("first", "1.28.15") || row.here("joined", "1.29.0") || !row.here("first", "1.30.0") {
		t.Error("a row is where it must not be")
	}
}
