package schedule

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// TestProvenLater: a plan that leaves proofs for later hands out no key of a worker until
// they are made, and says so; nor does it know a record that it did not read.
func TestProvenLater(t *testing.T) {
	text, inputs := planFor(t, honest(t), cp1, work)
	fsys := fstest.MapFS{"plan.yaml": {Data: []byte(text)}}
	for name, data := range inputs {
		fsys[name] = &fstest.MapFile{Data: []byte(data)}
	}
	c, err := OpenFS(fsys, "plan.yaml", Options{Now: now, Later: true})
	if err != nil {
		t.Fatal(err)
	}
	of := func(node string) Entry {
		return c.Entries[slices.IndexFunc(c.Entries, func(e Entry) bool {
			return e.Kind == LeafCertificate && e.Node == node
		})]
	}
	if _, err := c.PublicKey(of(cp1.Name)); err != nil {
		t.Error(err)
	}
	if _, err := c.PublicKey(of(work.Name)); err == nil ||
		!strings.Contains(err.Error(), "the request of node "+work.Name+" was not proven") {
		t.Error(err)
	}
	if err := Prove(c, func(node string) bool { return node == work.Name }); err != nil {
		t.Fatal(err)
	}
	if _, err := c.PublicKey(of(work.Name)); err != nil {
		t.Error(err)
	}
	if _, err := RecordOf(c, "before/transcript.jsonl"); err == nil ||
		!strings.Contains(err.Error(), "before/transcript.jsonl: no record was read from it") {
		t.Error(err)
	}
}
