package contents_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"officiant/bundle/bundletest"
	"officiant/bundle/contents"
)

// TestCompareBundles: what one bundle of a node changes, adds and removes, and what
// each certificate says otherwise.
func TestCompareBundles(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	node := p.NewNode(t, bundletest.First())
	before := p.Bundle(t, node, 1)
	if d := contents.CompareBundles(before, before); len(d.Changes) != 0 || d.Same != len(before.Files) {
		t.Errorf("a bundle differs from itself: %+v", d)
	}

	after := bundletest.Clone(before)
	const renewed, gone, come = "pki/apiserver.crt", "pki/sa.pub", "pki/new.txt"
	other := p.Bundle(t, node, 2) // the same names, other serial numbers
	after.Files[renewed] = other.Files[renewed]
	delete(after.Files, gone)
	after.Files[come] = []byte("x")
	d := contents.CompareBundles(before, after)
	what := map[string]string{}
	for _, c := range d.Changes {
		what[c.File] = c.What
	}
	want := map[string]string{renewed: contents.Changed, gone: contents.Removed, come: contents.Added}
	if !maps.Equal(what, want) {
		t.Fatalf("got %v", what)
	}
	if d.Same != len(before.Files)-2 {
		t.Errorf("%d of %d are the same", d.Same, len(before.Files))
	}
	i := slices.IndexFunc(d.Changes, func(c contents.Change) bool { return c.File == renewed })
	var said []string
	for _, one := range d.Changes[i].Differences {
		said = append(said, one.What)
	}
	if !slices.Contains(said, "serial") || slices.Contains(said, "names") {
		t.Errorf("a renewed certificate says otherwise: %v", said)
	}
}

// TestNoKeyShown: of a private key nothing is said but its public half.
func TestNoKeyShown(t *testing.T) {
	key := bundletest.PrivatePEM(t, bundletest.Key(t))
	for _, name := range []string{"a.key", "a.crt", "a.conf", "a.pub"} {
		for _, f := range contents.Of(name, key) {
			for _, v := range f.Values {
				if len(v) > 60 || strings.Contains(string(key), v) {
					t.Errorf("%s: %s says %q", name, f.Name, v)
				}
			}
		}
	}
	if f := contents.Of("a.key", key); len(f) != 1 || !strings.HasPrefix(f[0].Values[0], "ECDSA P-256 ") {
		t.Errorf("a key says %v", f)
	}
}

// TestDifferences: how one thing that a file says otherwise is written.
func TestDifferences(t *testing.T) {
	for _, tt := range []struct {
		was, is []string
		says    string
	}{
		{nil, []string{"a", "b"}, "a, b"},
		{[]string{"a"}, nil, "was a"},
		{[]string{"a"}, []string{"b"}, "a → b"},
		{[]string{"a", "b"}, []string{"b", "c"}, "+c, -a"},
		{[]string{"a", "b"}, []string{"b", "a"}, "in another order: b, a"},
	} {
		was, is := []contents.Fact{{Name: "names", Values: tt.was}}, []contents.Fact{{Name: "names", Values: tt.is}}
		if d := contents.Compare(was, is); len(d) != 1 || d[0].String() != tt.says {
			t.Errorf("%v: want %q", d, tt.says)
		}
	}
}
