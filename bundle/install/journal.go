package install

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"officiant/bundle"
	"officiant/bundle/fingerprint"
)

const journalKind = "InstallJournal"

// journal is journal.json: what is still to be done once everything is staged.
type journal struct {
	APIVersion string    `json:"apiVersion"`
	Kind       string    `json:"kind"`
	Operation  string    `json:"operation"` // "install" or "rollback"
	Started    time.Time `json:"started"`
	Moves      []move    `json:"moves"`
	Removals   []string  `json:"removals"`
	Renames    []rename  `json:"renames,omitempty"`
}

// move puts a staged file in its place. Paths are below the root.
type move struct {
	Path   string             `json:"path"`
	Staged string             `json:"staged"`
	SHA256 fingerprint.SHA256 `json:"sha256"`
	Mode   string             `json:"mode"`          // octal
	Was    string             `json:"was,omitempty"` // wasAbsent or wasThere; journals of before do not say
}

// What was in a file's place before.
const (
	wasAbsent = "absent"
	wasThere  = "there"
)

// transaction is a set of changes that happen together.
type transaction struct {
	operation string
	write     []placed
	remove    []string
	renames   []rename
}

// changes lists what the transaction does to the files of /etc/kubernetes, and
// which of them are in place already.
func (n *Node) changes(t *transaction) (list []Change, same []string, err error) {
	for _, p := range t.write {
		now, err := n.read(p.path)
		if err != nil {
			return nil, nil, err
		}
		if what := difference(now, p); what != "" {
			list = append(list, Change{p.path, what, compare(now, &p)})
		} else {
			same = append(same, p.path)
		}
	}
	for _, path := range t.remove {
		now, err := n.read(path)
		if err != nil {
			return nil, nil, err
		}
		if now != nil {
			list = append(list, Change{path, Removed, compare(now, nil)})
		}
	}
	slices.SortFunc(list, func(a, b Change) int { return strings.Compare(a.Path, b.Path) })
	slices.Sort(same)
	return list, same, nil
}

func difference(now *placed, want placed) What {
	switch {
	case now == nil:
		return Added
	case string(now.data) != string(want.data):
		return Changed
	case now.mode != want.mode:
		return ModeOnly
	}
	return ""
}

// Interrupted says which operation a journal on disk belongs to; "" when none.
func (n *Node) interrupted() (*journal, error) {
	var j journal
	err := n.State().document(journalFile, &j)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if j.APIVersion != apiVersion || j.Kind != journalKind {
		reason := fmt.Errorf("is not %s %s", apiVersion, journalKind)
		return nil, &Damaged{n.State().path(journalFile), reason, wayOn[journalFile]}
	}
	for _, m := range j.Moves {
		if !inBounds(m.Path) || !inBounds(m.Staged) {
			return nil, &Damaged{n.State().path(journalFile), fmt.Errorf("names %q", m.Path), wayOn[journalFile]}
		}
	}
	for _, path := range j.Removals {
		if !inBounds(path) {
			return nil, &Damaged{n.State().path(journalFile), fmt.Errorf("names %q", path), wayOn[journalFile]}
		}
	}
	for _, r := range j.Renames {
		if !asideBounds(r.From) || !asideBounds(r.To) {
			reason := fmt.Errorf("names %q", r.From)
			return nil, &Damaged{n.State().path(journalFile), reason, wayOn[journalFile]}
		}
	}
	return &j, nil
}

// inBounds says whether a path below the root is one this package may write.
func inBounds(path string) bool {
	return fs.ValidPath(path) && (strings.HasPrefix(path, kubernetesDir+"/") || strings.HasPrefix(path, StateDir+"/"))
}

// snapshot reads the files at paths as they are, for the way back.
func (n *Node) snapshot(paths []string) (there []placed, absent []string, err error) {
	for _, path := range paths {
		now, err := n.read(path)
		if err != nil {
			return nil, nil, err
		}
		if now == nil {
			absent = append(absent, path)
		} else {
			there = append(there, *now)
		}
	}
	return there, absent, nil
}

// installed reads the bundle whose files are in place; nil when there is none.
func (n *Node) installed() (*bundle.Bundle, error) {
	path := n.State().path(installedFile)
	data, err := n.files().ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("node state: %w", err)
	}
	return bundle.Parse(path, data)
}
