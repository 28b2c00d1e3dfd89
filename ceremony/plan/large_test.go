package plan

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
)

// large is a plan of many nodes, as New writes it.
func large(t testing.TB, n int) string {
	t.Helper()
	o := NewOptions{Name: "demo-1", Cluster: Cluster{Name: "demo", KubernetesVersion: "v1.37.2"}, Evidence: "software"}
	for i := range n {
		name := fmt.Sprintf("worker-%d", i)
		o.Nodes = append(o.Nodes, Node{Name: name, Roles: []kubepki.Role{kubepki.Worker},
			Request:     "requests/" + name + ".req",
			Fingerprint: fingerprint.Of([]byte(name))})
	}
	text, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestLarge: a plan that is read in pieces is the same as when it is read at once.
func TestLarge(t *testing.T) {
	text := large(t, 400) // which still is read at once, too
	at := strings.Index(text, "nodes:\n")
	people := strings.LastIndex(text, "\n# ")
	for name, text := range map[string]string{
		"as written":         text,
		"not indented":       text[:at] + strings.ReplaceAll(text[at:], "\n  ", "\n"),
		"nodes first":        text[at:people] + "\n" + text[:at] + text[people:],
		"with a comment":     strings.Replace(text, "  - name: worker-77\n", "# seventy-seven\n\n  - name: worker-77\n", 1),
		"Windows' line ends": strings.ReplaceAll(text, "\n", "\r\n"),
	} {
		r, whole := &Report{}, &Report{lines: strings.Split(text, "\n")}
		got := Read(r, []byte(text))
		pieces, _, ok := whole.readLarge()
		if !ok || len(r.Problems) > 0 {
			t.Errorf("%s: read in pieces: %t, problems %v", name, ok, r.Problems)
			continue
		}
		want := &Plan{}
		if !readPiece(want, text) || len(want.Nodes) != 400 {
			t.Fatalf("%s: read at once: %d nodes", name, len(want.Nodes))
		}
		if diff := cmp.Diff(want, got); diff != "" || cmp.Diff(want, pieces) != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestLargeRefused: what is wrong in a large plan is found where it is.
func TestLargeRefused(t *testing.T) {
	text := large(t, 600)
	line := func(text, of string) int { return 1 + strings.Count(text[:strings.Index(text, of)], "\n") }
	for name, tt := range map[string]struct {
		old, new, mark, want string
	}{
		"an unknown field": {"    request: requests/worker-500.req\n", "    requests: x.req\n", "    requests: x",
			`unknown field "requests" in an item of nodes`},
		"an open quote":   {"name: worker-400\n", "name: \"worker-400\n", "\"worker-400\n", ""},
		"nodes twice":     {"# COMPARE", "nodes: []\n# COMPARE", "nodes: []", ""},
		"another section": {"# COMPARE", "other: 1\n# COMPARE", "other: 1", `unknown field "other" in the plan`},
		"two documents": {"  - name: worker-300\n", "---\n  - name: worker-300\n", "  - name: worker-300\n",
			"one document"},
		"an anchor": {"name: worker-200\n", "name: &a worker-200\n", "&a worker-200", "anchors"},
		"a number for a role": {"  - name: worker-100\n", "  - bindPort: x\n    name: worker-100\n", "bindPort: x",
			"bindPort is a whole number"},
	} {
		text := strings.Replace(text, tt.old, tt.new, 1)
		r := &Report{File: "plan.yaml"}
		Read(r, []byte(text))
		if len(r.Problems) == 0 {
			t.Errorf("%s: accepted", name)
			continue
		}
		if p := r.Problems[0]; !strings.Contains(p.Message, tt.want) || name != "nodes twice" && p.Line != line(text,
			tt.mark) {
			t.Errorf("%s: %s, want line %d", name, p, line(text, tt.mark))
		}
	}
}
