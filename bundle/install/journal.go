package install

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"officiant/bundle"
	"officiant/bundle/durable"
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
}

// move puts a staged file in its place. Paths are below the root.
type move struct {
	Path   string             `json:"path"`
	Staged string             `json:"staged"`
	SHA256 fingerprint.SHA256 `json:"sha256"`
	Mode   string             `json:"mode"` // octal
}

// transaction is a set of changes that happen together.
type transaction struct {
	operation string
	write     []placed
	remove    []string
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

// apply carries a transaction out. An error before the journal is on disk leaves
// the node as it was; after it, the next run finishes.
func (n *Node) apply(t *transaction) error {
	j := &journal{APIVersion: apiVersion, Kind: journalKind, Operation: t.operation,
		Started: n.Now().UTC().Truncate(time.Second), Removals: t.remove}
	err := n.stage(j, t)
	if err == nil {
		err = n.commit(j)
	}
	if err != nil {
		if _, jerr := os.Lstat(n.State().path(journalFile)); errors.Is(jerr, fs.ErrNotExist) {
			return errors.Join(fmt.Errorf("%s, nothing was changed: %w", t.operation, err), n.discard(j))
		}
		return fmt.Errorf("%s was interrupted, the same command finishes it: %w", t.operation, err)
	}
	if err := n.finish(j); err != nil {
		return fmt.Errorf("%s was interrupted, the same command finishes it: %w", t.operation, err)
	}
	return nil
}

// stage writes every new file beside the place it is for.
func (n *Node) stage(j *journal, t *transaction) error {
	var folders []string
	var list []durable.File
	for _, p := range t.write {
		at := n.at(p.path)
		list = append(list, durable.File{Path: at, Data: p.data, Mode: p.mode})
		folder := filepath.Dir(at)
		if slices.Contains(folders, folder) {
			continue
		}
		folders = append(folders, folder)
		if err := n.contained(path.Dir(p.path)); err != nil {
			return err
		}
		if err := n.Disk.MkdirAll(folder, folderMode(p.path)); err != nil {
			return err
		}
	}
	staged, err := n.Disk.StageAll(list)
	if err != nil {
		return err
	}
	for i, p := range t.write {
		rel, err := filepath.Rel(n.Root, staged[i])
		if err != nil {
			return err
		}
		j.Moves = append(j.Moves, move{p.path, filepath.ToSlash(rel), fingerprint.Of(p.data), fmt.Sprintf("%04o", p.mode)})
	}
	for i, p := range t.write {
		if err := n.give(staged[i], p); err != nil {
			return err
		}
	}
	// The journal may name only what a power cut leaves there.
	return n.Disk.SyncDirs(folders)
}

// give makes a file that comes back belong to whom it belonged. Only root can; for
// everybody else it stays theirs.
func (n *Node) give(staged string, p placed) error {
	info, err := os.Stat(staged)
	if err != nil {
		return err
	}
	has := ownerOf(info)
	if p.owner == nil || has == nil || *has == *p.owner {
		return nil
	}
	err = n.Disk.Chown(staged, n.at(p.path), p.owner.uid, p.owner.gid)
	if errors.Is(err, fs.ErrPermission) {
		return nil
	}
	return err
}

func folderMode(path string) fs.FileMode {
	if strings.HasPrefix(path, StateDir+"/") {
		return stateMode
	}
	return 0o755
}

func (n *Node) commit(j *journal) error {
	data, err := document(j)
	if err != nil {
		return err
	}
	return n.Disk.Create(n.State().path(journalFile), data, secretMode)
}

// discard removes what was staged for nothing.
func (n *Node) discard(j *journal) error {
	var errs []error
	for _, m := range j.Moves {
		errs = append(errs, n.Disk.Remove(n.at(m.Staged)))
	}
	return errors.Join(errs...)
}

// finish does what a journal says. It can be repeated.
func (n *Node) finish(j *journal) error {
	var folders []string
	for _, m := range j.Moves {
		if err := n.move(m); err != nil {
			return err
		}
		folders = append(folders, filepath.Dir(n.at(m.Path)))
	}
	for _, path := range j.Removals {
		if err := n.Disk.Remove(n.at(path)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		folders = append(folders, filepath.Dir(n.at(path)))
	}
	slices.Sort(folders)
	folders = slices.DeleteFunc(slices.Compact(folders), func(folder string) bool {
		_, err := os.Lstat(folder)
		return errors.Is(err, fs.ErrNotExist) // what was removed in it is gone, too
	})
	if err := n.Disk.SyncDirs(folders); err != nil {
		return err
	}
	state := n.State()
	if err := n.Disk.Remove(state.path(journalFile)); err != nil {
		return err
	}
	return n.Disk.SyncDir(state.Dir())
}

func (n *Node) move(m move) error {
	err := n.Disk.Rename(n.at(m.Staged), n.at(m.Path))
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	// An earlier run may have moved it already.
	now, err := n.read(m.Path)
	if err != nil {
		return err
	}
	if now == nil || fingerprint.Of(now.data) != m.SHA256 {
		return fmt.Errorf("%s: the file staged for it (%s) is gone", n.at(m.Path), m.Staged)
	}
	return nil
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
		return nil, fmt.Errorf("%s is not %s %s", n.State().path(journalFile), apiVersion, journalKind)
	}
	for _, m := range j.Moves {
		if !inBounds(m.Path) || !inBounds(m.Staged) {
			return nil, fmt.Errorf("%s names %q", n.State().path(journalFile), m.Path)
		}
	}
	for _, path := range j.Removals {
		if !inBounds(path) {
			return nil, fmt.Errorf("%s names %q", n.State().path(journalFile), path)
		}
	}
	return &j, nil
}

// inBounds says whether a path below the root is one this package may write.
func inBounds(path string) bool {
	return fs.ValidPath(path) && (strings.HasPrefix(path, kubernetesDir+"/") || strings.HasPrefix(path, StateDir+"/"))
}

// recover finishes an interrupted operation, if its journal was on disk, and
// removes what others left. It returns the name of what it finished.
func (n *Node) recover() (string, error) {
	j, err := n.interrupted()
	if err != nil {
		return "", err
	}
	operation := ""
	if j != nil {
		operation = j.Operation
		if err := n.finish(j); err != nil {
			return "", fmt.Errorf("finishing the interrupted %s: %w", operation, err)
		}
	}
	return operation, n.removeTemps()
}

// removeTemps removes staged files of runs that ended before their journal.
func (n *Node) removeTemps() error {
	for _, folder := range append(n.folders(), n.below(kubernetesDir+"/pki")...) {
		if _, err := n.Disk.RemoveTemps(n.at(folder)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing leftovers: %w", err)
		}
	}
	return nil
}

// below lists the folders below one, whatever a bundle of before had in them.
func (n *Node) below(folder string) []string {
	var list []string
	filepath.WalkDir(n.at(folder), func(at string, e fs.DirEntry, err error) error {
		if rel, rerr := filepath.Rel(n.Root, at); err == nil && rerr == nil && e.IsDir() {
			list = append(list, filepath.ToSlash(rel))
		}
		return nil // what cannot be read holds nothing of ours
	})
	return list
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
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("node state: %w", err)
	}
	return bundle.Parse(path, data)
}
