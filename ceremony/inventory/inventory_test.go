package inventory_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"officiant/bundle/durable"
	"officiant/bundle/fingerprint"
	"officiant/ceremony"
	"officiant/ceremony/ceremonytest"
	"officiant/ceremony/inventory"
	"officiant/ceremony/transcript"
)

func read(t *testing.T, dir string) *transcript.Transcript {
	t.Helper()
	file := filepath.Join(dir, "transcript.jsonl")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	record, err := transcript.Read(file, data)
	if err != nil {
		t.Fatal(err)
	}
	return record
}

// TestList reads a ceremony that lost a group of signatures on its way.
func TestList(t *testing.T) {
	f := ceremonytest.New(t, ceremonytest.Shape{Workers: 1})
	dir := filepath.Join(t.TempDir(), "ceremony")
	cfg := f.Config(t, dir)
	died := errors.New("died")
	intents := 0 // the fifth sync after the first intents loses what was signed
	cfg.Disk = &durable.Disk{Gate: func(op durable.Op, path string) error {
		if data, err := os.ReadFile(filepath.Join(dir, "transcript.jsonl")); err == nil && strings.Contains(string(data), `"name":"worker-1/kubelet.conf"`) {
			if intents++; intents > 1 {
				return died
			}
		}
		return nil
	}}
	if _, err := ceremony.Run(context.Background(), cfg); !errors.Is(err, died) {
		t.Fatalf("%v", err)
	}
	if _, err := ceremony.Run(context.Background(), f.Config(t, dir)); err != nil {
		t.Fatal(err)
	}
	record := read(t, dir)
	items, err := inventory.List(record, record)
	if err != nil {
		t.Fatal(err)
	}
	serials := map[string]bool{}
	states, kinds := map[inventory.State]int{}, map[inventory.Kind]int{}
	for _, i := range items {
		if serials[i.Serial] {
			t.Errorf("serial %s twice", i.Serial)
		}
		serials[i.Serial] = true
		states[i.State]++
		kinds[i.Kind]++
		if (i.SHA256 == nil) != (i.State == inventory.Abandoned) || i.Subject == "" || i.NotAfter.IsZero() {
			t.Errorf("%+v", i)
		}
	}
	for _, s := range record.Serials() {
		if !serials[s.Text(16)] {
			t.Errorf("serial %x of the record is not in the inventory", s)
		}
	}
	if states[inventory.Current] != 17 || states[inventory.Abandoned] == 0 || states[inventory.Superseded] != 0 {
		t.Errorf("states: %v", states)
	}
	if kinds[inventory.Root] != 1 || kinds[inventory.Intermediate] != 3 {
		t.Errorf("kinds: %v", kinds)
	}
	at := slices.IndexFunc(items, func(i inventory.Item) bool { return i.Name == "cp-1/apiserver" && i.State == inventory.Current })
	if at < 0 {
		t.Fatal("no cp-1/apiserver")
	}
	i := items[at]
	if i.Node != "cp-1" || i.Kind != inventory.Leaf || i.Authority != "kubernetes" || i.Subject != "CN=kube-apiserver" ||
		!slices.Contains(i.Names, "api.demo.test") || !slices.Contains(i.Names, "10.0.0.11") || i.Ceremony != "demo-1" || i.Sequence != 1 {
		t.Errorf("%+v", i)
	}
}

// TestSupersede: the newest of a name in a cluster is current, whatever the
// order the transcripts are given in.
func TestSupersede(t *testing.T) {
	f := ceremonytest.New(t, ceremonytest.Shape{})
	dir, _ := f.Run(t)
	first := read(t, dir)
	later := &transcript.Transcript{Lines: slices.Clone(first.Lines)}
	open := first.Open()
	open.Sequence, open.Name = 2, "demo-2"
	open.Predecessors = []transcript.Predecessor{{Cluster: "demo", Sequence: 1, Head: first.Head()}}
	later.Lines[0].Record = open
	later.Lines[len(later.Lines)-1].Hash = fingerprint.Of([]byte("another head"))
	for _, order := range [][]*transcript.Transcript{{first, later}, {later, first}} {
		items, err := inventory.List(order...)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range items {
			if want := map[int]inventory.State{1: inventory.Superseded, 2: inventory.Current}[i.Sequence]; i.State != want {
				t.Errorf("%s of ceremony %d is %s", i.Name, i.Sequence, i.State)
			}
		}
	}
	if got := inventory.Forked(first, later, first); len(got) != 0 {
		t.Errorf("forked: %q", got)
	}
	open.Sequence = 1
	later.Lines[0].Record = open
	if got := inventory.Forked(first, later); len(got) != 1 || got[0] != "ceremony 1 of cluster demo" {
		t.Errorf("forked: %q", got)
	}
	if got := inventory.Missing(later); len(got) != 1 || got[0] != "ceremony 1 of cluster demo" {
		t.Errorf("missing: %q", got)
	}
	if got := inventory.Missing(later, first); len(got) != 0 {
		t.Errorf("missing: %q", got)
	}
}

func TestRehearsal(t *testing.T) {
	f := ceremonytest.New(t, ceremonytest.Shape{})
	dir, _ := f.Run(t)
	r := read(t, dir)
	open := r.Open()
	open.Rehearsal = true
	r.Lines[0].Record = open
	if _, err := inventory.List(r); err == nil || !strings.Contains(err.Error(), "rehearsal") {
		t.Errorf("%v", err)
	}
}
