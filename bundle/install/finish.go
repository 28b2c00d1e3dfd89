package install

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"

	"officiant/bundle/durable"
	"officiant/bundle/fingerprint"
	"officiant/bundle/tree"
)

// finish does what a journal says, or, when that is not possible, undoes what is
// done of it, and says so. It can be repeated.
func (n *Node) finish(j *journal) error {
	if err := n.forward(j); err != nil {
		if uerr := n.undo(j); uerr != nil {
			return fmt.Errorf("%s was interrupted, the same command finishes it: %w", j.Operation, errors.Join(err, uerr))
		}
		return fmt.Errorf("%s, nothing was changed: %w", j.Operation, err)
	}
	if err := n.close(j); err != nil {
		return fmt.Errorf("%s was interrupted, the same command finishes it: %w", j.Operation, err)
	}
	return nil
}

// forward puts everything in its place. A file that is replaced, and one that is
// removed, keeps a temporary name beside its place until all the rest is in place:
// so undo needs nothing but the journal.
func (n *Node) forward(j *journal) error {
	for _, m := range j.Moves {
		if err := n.move(m); err != nil {
			return err
		}
	}
	for _, path := range j.Removals {
		err := n.disk().Rename(n.at(path), n.at(aside(path)))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	for _, r := range j.Renames {
		if err := n.rename(r); err != nil {
			return err
		}
	}
	return n.disk().SyncDirs(n.touched(j))
}

// close ends an operation whose files are where they are to be: what they are not
// to be any more goes, then the journal.
func (n *Node) close(j *journal) error {
	if err := n.discard(j); err != nil {
		return err
	}
	for _, path := range j.Removals {
		if err := n.disk().Remove(n.at(aside(path))); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := n.disk().Remove(n.State().path(journalFile)); err != nil {
		return err
	}
	return n.disk().SyncDir(n.State().Dir())
}

// aside is the temporary name of a file that is being removed.
func aside(at string) string {
	return path.Join(path.Dir(at), durable.TempName("gone-"+path.Base(at)))
}

// touched are the folders of a journal that are there.
func (n *Node) touched(j *journal) []string {
	var folders []string
	for _, m := range j.Moves {
		folders = append(folders, filepath.Dir(n.at(m.Path)))
	}
	for _, path := range j.Removals {
		folders = append(folders, filepath.Dir(n.at(path)))
	}
	for _, r := range j.Renames {
		folders = append(folders, filepath.Dir(n.at(r.From)))
	}
	slices.Sort(folders)
	return slices.DeleteFunc(slices.Compact(folders), func(folder string) bool {
		_, err := n.files().Lstat(folder)
		return errors.Is(err, fs.ErrNotExist) // what was removed in it is gone, too
	})
}

// move puts a staged file in its place; what was there takes the staged one's name.
func (n *Node) move(m move) error {
	staged, err := n.read(m.Staged)
	if err != nil {
		return err
	}
	now, err := n.read(m.Path)
	if err != nil {
		return err
	}
	switch {
	case m.is(now):
		return nil // an earlier run has moved it
	case !m.is(staged):
		return fmt.Errorf("%s: the file staged for it (%s) is gone", n.at(m.Path), m.Staged)
	case now == nil:
		return n.disk().Rename(n.at(m.Staged), n.at(m.Path))
	}
	return n.swap(m)
}

// is says whether a file is the one a move is about.
func (m move) is(p *placed) bool {
	return p != nil && fingerprint.Of(p.data) == m.SHA256 && octal(p.mode) == m.Mode
}

// swap exchanges a staged file with what is in its place. Where the file system
// cannot, the one in place gets a second name first, and at no moment none.
func (n *Node) swap(m move) error {
	err := n.disk().Exchange(n.at(m.Staged), n.at(m.Path))
	if !errors.Is(err, tree.ErrNoExchange) {
		return err
	}
	now, err := n.read(m.Path)
	if err != nil || now == nil {
		return err
	}
	old, err := n.disk().Stage(n.at(m.Path), now.data, now.mode)
	if err != nil {
		return err
	}
	if err := n.give(old, *now); err != nil {
		return err
	}
	if err := n.disk().Rename(n.at(m.Staged), n.at(m.Path)); err != nil {
		return err
	}
	return n.disk().Rename(old, n.at(m.Staged))
}

// undo is forward backwards. It fails without having begun when what was in place
// is not there any more.
func (n *Node) undo(j *journal) error {
	if err := n.undoable(j); err != nil {
		return err
	}
	for _, r := range slices.Backward(j.Renames) {
		if err := n.renameBack(r); err != nil {
			return fmt.Errorf("putting it back: %w", err)
		}
	}
	for _, path := range slices.Backward(j.Removals) {
		err := n.disk().Rename(n.at(aside(path)), n.at(path))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("putting it back: %w", err)
		}
	}
	for _, m := range slices.Backward(j.Moves) {
		if err := n.moveBack(m); err != nil {
			return fmt.Errorf("putting it back: %w", err)
		}
	}
	if err := n.disk().SyncDirs(n.touched(j)); err != nil {
		return err
	}
	return n.close(j)
}

// undoable looks whether everything a journal replaces and removes still has its
// temporary name.
func (n *Node) undoable(j *journal) error {
	for _, m := range j.Moves {
		now, err := n.read(m.Path)
		if err != nil || !m.is(now) {
			continue
		}
		if staged, err := n.read(m.Staged); err == nil && staged == nil && m.Was != wasAbsent {
			return fmt.Errorf("%s cannot be put back: what was there before is gone", n.at(m.Path))
		}
	}
	for _, path := range j.Removals {
		_, err := n.files().Lstat(n.at(path))
		_, aerr := n.files().Lstat(n.at(aside(path)))
		if errors.Is(err, fs.ErrNotExist) && errors.Is(aerr, fs.ErrNotExist) {
			return fmt.Errorf("%s cannot be put back: it is gone", n.at(path))
		}
	}
	return nil
}

func (n *Node) moveBack(m move) error {
	now, err := n.read(m.Path)
	if err != nil || !m.is(now) {
		return err
	}
	staged, err := n.read(m.Staged)
	switch {
	case err != nil:
		return err
	case staged == nil:
		return n.disk().Rename(n.at(m.Path), n.at(m.Staged))
	case m.is(staged):
		return nil // it was never moved: it is the same as before
	}
	return n.swap(m)
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
		if _, err := n.disk().RemoveTemps(n.at(folder)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing leftovers: %w", err)
		}
	}
	return nil
}

// below lists the folders below one, whatever a bundle of before had in them.
func (n *Node) below(folder string) []string {
	var list []string
	_ = n.files().Walk(n.at(folder), func(at string, e fs.DirEntry) error {
		if rel, err := filepath.Rel(n.Root, at); err == nil && e.IsDir() {
			list = append(list, filepath.ToSlash(rel))
		}
		return nil // what cannot be read holds nothing of ours
	})
	return list
}
