package history_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"officiant/ceremony/history"
	"officiant/ceremony/history/historytest"
	"officiant/ceremony/transcript"
)

// sharing is the first ceremony of another cluster under the same root.
func (c *cluster) sharing(t *testing.T, name string, before ...[]byte) (record, signature []byte) {
	open := transcript.Open{Cluster: name}
	for _, b := range before {
		open.Predecessors = append(open.Predecessors, historytest.Predecessor(t, b))
	}
	r := historytest.Begin(t, begin.AddDate(0, 1, 0), open)
	release := historytest.Key(t)
	r.Key("root", c.root.Key.Public(), false)
	r.Key("release", release.Public(), true)
	r.Issue("kubernetes", "root", c.root.Below(t, "kubernetes of "+name).Certificate)
	return r.Close(release, nil)
}

// TestArchive finds a cluster's chain among others', in whatever order, and who
// opened the root last.
func TestArchive(t *testing.T) {
	c := newCluster(t)
	one, oneSig := c.first(t)
	two, twoSig := c.next(t, one)
	harbour, harbourSig := c.sharing(t, "harbour", one)
	folder := t.TempDir()
	historytest.Directory(t, filepath.Join(folder, "z", "one"), one, oneSig)
	historytest.Directory(t, filepath.Join(folder, "two"), two, twoSig)
	historytest.Directory(t, filepath.Join(folder, "copy-of-two"), two, nil)
	historytest.Directory(t, filepath.Join(folder, "b", "harbour"), harbour, harbourSig)
	if err := os.WriteFile(filepath.Join(folder, "notes.txt"), []byte("of the safe"), 0o644); err != nil {
		t.Fatal(err)
	}
	a, err := history.Find(folder)
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Found) != 3 || !slices.Equal(a.Clusters(), []string{"demo", "harbour"}) {
		t.Errorf("found %v of %q", a.Found, a.Clusters())
	}
	h, err := a.History("demo")
	if err != nil || h.Sequence() != 2 || h.Whole() != nil || len(h.Others()) != 0 {
		t.Fatalf("%v, %v", h, err)
	}
	h, err = a.Sharing("demo", spki(t, c.root.Key), spki(t, c.release))
	if err != nil || len(h.Others()) != 1 || h.Others()[0].Open.Cluster != "harbour" {
		t.Fatalf("%v, %v", h, err)
	}
	if root := h.Openers(spki(t, c.root.Key)); len(root) != 1 || root[0].Of.Open.Cluster != "harbour" {
		t.Errorf("the root was opened last by %v", root)
	}
	if h, err = a.Sharing("demo", spki(t, c.release)); err != nil || len(h.Others()) != 0 {
		t.Errorf("sharing the release key: %v, %v", h, err)
	}
	// A third cluster goes on from demo's, as if harbour's had not been.
	port, portSig := c.sharing(t, "port", one)
	historytest.Directory(t, filepath.Join(folder, "port"), port, portSig)
	if a, err = history.Find(folder); err != nil {
		t.Fatal(err)
	}
	_, err = a.Sharing("demo", spki(t, c.root.Key))
	if !errors.Is(err, history.ErrFork) || !strings.Contains(err.Error(), "harbour") ||
		!strings.Contains(err.Error(), "port") {
		t.Errorf("the root's chain forks: %v", err)
	}
}

// TestArchiveRefused: a rehearsal among them is named, and so is what is no record.
func TestArchiveRefused(t *testing.T) {
	c := newCluster(t)
	one, oneSig := c.first(t)
	folder := t.TempDir()
	historytest.Directory(t, filepath.Join(folder, "one"), one, oneSig)
	r := historytest.Begin(t, begin, transcript.Open{Rehearsal: true})
	historytest.Directory(t, filepath.Join(folder, "tried"), r.Unfinished(), nil)
	a, err := history.Find(filepath.Join(folder, "one"), filepath.Join(folder, "tried"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.History("demo"); !errors.Is(err, history.ErrRehearsal) || !strings.Contains(err.Error(), "tried") {
		t.Errorf("a rehearsal: %v", err)
	}
	if _, err := history.Find(
		filepath.Join(folder, "one"),
		t.TempDir(),
	); err == nil ||
		!strings.Contains(err.Error(), "neither a ceremony directory nor a folder of such") {
		t.Errorf("an empty folder: %v", err)
	}
	historytest.Directory(t, filepath.Join(folder, "odd"), []byte("a line\n"), nil)
	var broken *transcript.Broken
	if _, err := history.Find(folder); !errors.As(err, &broken) || !strings.Contains(broken.File, "odd") {
		t.Errorf("what is no record: %v", err)
	}
}
