package plan

import (
	"slices"
	"strings"
	"testing"

	"officiant/bundle/limittest"
)

// TestHuge: a plan too large to be one tree says what is wrong where it is, and a
// finding about a node has its place.
func TestHuge(t *testing.T) {
	text := large(t, 5000)
	if len(text) < maxTree {
		t.Fatalf("%d bytes", len(text))
	}
	line := func(text, of string) int { return 1 + strings.Count(text[:strings.Index(text, of)], "\n") }
	for name, tt := range map[string]struct{ old, new, mark, want string }{
		"an unknown field": {"    request: requests/worker-4500.req\n", "    requests: x.req\n", "    requests: x",
			`unknown field "requests" in an item of nodes`},
		"an open quote":   {"name: worker-400\n", "name: \"worker-400\n", "\"worker-400\n", "quote"},
		"another section": {"# COMPARE", "other: 1\n# COMPARE", "other: 1", `unknown field "other" in the plan`},
		"two documents": {"  - name: worker-300\n", "---\n  - name: worker-300\n", "",
			"the list ends in line 3657"},
		"not in the form": {"nodes:\n", "nodes: # all\n", "", "its nodes are not a list as ceremony new writes it"},
	} {
		r := &Report{File: "plan.yaml"}
		text := strings.Replace(text, tt.old, tt.new, 1)
		Read(r, []byte(text))
		switch {
		case len(r.Problems) == 0 || !r.Broken():
			t.Errorf("%s: accepted", name)
		case !strings.Contains(r.Problems[0].Message, tt.want) || tt.mark != "" && r.Problems[0].Line != line(text, tt.mark):
			t.Errorf("%s: %s, want line %d", name, r.Problems[0], line(text, tt.mark))
		}
	}
	r := &Report{File: "plan.yaml"}
	Read(r, []byte(text))
	for _, name := range []string{"worker-0", "worker-77", "worker-4999"} {
		i := slices.IndexFunc(Read(&Report{}, []byte(text)).Nodes, func(n Node) bool { return n.Name == name })
		r.Problems = nil
		if r.Refuse(At{"nodes", i, "name"}, "x"); r.Problems[0].Line != line(text, "name: "+name+"\n") {
			t.Errorf("%s: %s", name, r.Problems[0])
		}
	}
	if r.Refuse(At{"cluster", "name"}, "x"); r.Problems[len(r.Problems)-1].Line == 0 || !r.Says(At{"cluster"}) {
		t.Error("no place beside the nodes")
	}
}

// TestWorstShapes: no text of up to the limit takes longer, or more, than any file may.
func TestWorstShapes(t *testing.T) {
	hold := func(name string, text func() string) {
		limittest.Hold(t, name, func() { Read(&Report{}, []byte(text())) })
	}
	full := func() string { return large(t, 10_000) }
	hold("10,000 nodes", func() string {
		text := full()
		if len(text) > MaxSize {
			t.Errorf("10,000 nodes take %d bytes, more than a plan may have", len(text))
		}
		return text
	})
	hold("10,000 nodes, the last of them wrong",
		func() string { return strings.Replace(full(), "requests/worker-9999", "\"", 1) })
	hold("one node of the size", func() string {
		text := large(t, 2)
		return text[:strings.Index(text, "  - name: worker-1\n")] + strings.Repeat("    a: b\n", (MaxSize-4096)/9)
	})
	shapes := limittest.YAML(maxTree, 0)
	for _, times := range []int{1, MaxSize / maxTree} {
		for _, name := range []string{"keys", "list of mappings", "list of blocks", "list", "brackets that close",
			"comments between", "quoted escapes", "aliases", "numbers in a list", "empty lines", "blocks", "colons"} {
			hold(name+map[bool]string{true: " of a large plan"}[times > 1],
				func() string { return strings.Repeat(shapes[name](), times) })
		}
	}
}
