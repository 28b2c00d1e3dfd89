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
)

// completion carries out what a journal says, from its beginning or from where an
// earlier process left it.
type completion struct {
	mover
	record
}

// finish does what a journal says, or, when that is not possible, undoes what is
// done of it, and says so. It can be repeated.
func (c completion) finish(j *journal) error {
	if err := c.forward(j); err != nil {
		if uerr := c.undo(j); uerr != nil {
			return fmt.Errorf("%s was interrupted, the same command finishes it: %w", j.Operation, errors.Join(err, uerr))
		}
		return fmt.Errorf("%s, nothing was changed: %w", j.Operation, err)
	}
	if err := c.close(j); err != nil {
		return fmt.Errorf("%s was interrupted, the same command finishes it: %w", j.Operation, err)
	}
	return nil
}

// forward puts everything in its place. A file that is replaced, and one that is
// removed, keeps a temporary name beside its place until all the rest is in place:
// so undo needs nothing but the journal.
func (c completion) forward(j *journal) error {
	for _, m := range j.Moves {
		if err := c.move(m); err != nil {
			return err
		}
	}
	for _, path := range j.Removals {
		err := c.disk.Rename(c.at(path), c.at(aside(path)))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	for _, r := range j.Renames {
		if err := c.rename(r); err != nil {
			return err
		}
	}
	return c.disk.SyncDirs(c.touched(j))
}

// close ends an operation whose files are where they are to be: what they are not
// to be any more goes, then the journal.
func (c completion) close(j *journal) error {
	if err := c.discard(j); err != nil {
		return err
	}
	for _, path := range j.Removals {
		if err := c.disk.Remove(c.at(aside(path))); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := c.disk.Remove(c.state.path(journalFile)); err != nil {
		return err
	}
	return c.disk.SyncDir(c.state.Dir())
}

// aside is the temporary name of a file that is being removed.
func aside(at string) string {
	return path.Join(path.Dir(at), durable.TempName("gone-"+path.Base(at)))
}

// touched are the folders of a journal that are there.
func (c completion) touched(j *journal) []string {
	var folders []string
	for _, m := range j.Moves {
		folders = append(folders, filepath.Dir(c.at(m.Path)))
	}
	for _, path := range j.Removals {
		folders = append(folders, filepath.Dir(c.at(path)))
	}
	for _, r := range j.Renames {
		folders = append(folders, filepath.Dir(c.at(r.From)))
	}
	slices.Sort(folders)
	return slices.DeleteFunc(slices.Compact(folders), func(folder string) bool {
		_, err := c.files.Lstat(folder)
		return errors.Is(err, fs.ErrNotExist) // what was removed in it is gone, too
	})
}

// is says whether a file is the one a move is about.
func (m move) is(p *placed) bool {
	return p != nil && fingerprint.Of(p.data) == m.SHA256 && octal(p.mode) == m.Mode
}

// undo is forward backwards. It fails without having begun when what was in place
// is not there any more.
func (c completion) undo(j *journal) error {
	if err := c.undoable(j); err != nil {
		return err
	}
	for _, r := range slices.Backward(j.Renames) {
		if err := c.renameBack(r); err != nil {
			return fmt.Errorf("putting it back: %w", err)
		}
	}
	for _, path := range slices.Backward(j.Removals) {
		err := c.disk.Rename(c.at(aside(path)), c.at(path))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("putting it back: %w", err)
		}
	}
	for _, m := range slices.Backward(j.Moves) {
		if err := c.moveBack(m); err != nil {
			return fmt.Errorf("putting it back: %w", err)
		}
	}
	if err := c.disk.SyncDirs(c.touched(j)); err != nil {
		return err
	}
	return c.close(j)
}

// undoable looks whether everything a journal replaces and removes still has its
// temporary name.
func (c completion) undoable(j *journal) error {
	for _, m := range j.Moves {
		now, err := c.read(m.Path)
		if err != nil || !m.is(now) {
			continue
		}
		if staged, err := c.read(m.Staged); err == nil && staged == nil && m.Was != wasAbsent {
			return fmt.Errorf("%s cannot be put back: what was there before is gone", c.at(m.Path))
		}
	}
	for _, path := range j.Removals {
		_, err := c.files.Lstat(c.at(path))
		_, aerr := c.files.Lstat(c.at(aside(path)))
		if errors.Is(err, fs.ErrNotExist) && errors.Is(aerr, fs.ErrNotExist) {
			return fmt.Errorf("%s cannot be put back: it is gone", c.at(path))
		}
	}
	return nil
}

// recover finishes an interrupted operation, if its journal was on disk, and
// removes what others left. It returns the name of what it finished.
func (c completion) recover() (string, error) {
	j, err := c.interrupted()
	if err != nil {
		return "", err
	}
	operation := ""
	if j != nil {
		operation = j.Operation
		if err := c.finish(j); err != nil {
			return "", fmt.Errorf("finishing the interrupted %s: %w", operation, err)
		}
	}
	return operation, c.removeTemps()
}

// removeTemps removes staged files of runs that ended before their journal.
func (c completion) removeTemps(more ...string) error {
	if b, _ := c.whole(); b != nil {
		if files, err := filesOf(b); err == nil {
			more = append(more, foldersOf(files)...)
		}
	}
	for _, folder := range append(append(folders(), c.foldersBelow(defaultPKI)...), more...) {
		if _, err := c.disk.RemoveTemps(c.at(folder)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing leftovers: %w", err)
		}
	}
	return nil
}

func (c completion) commit(j *journal) error {
	data, err := document(j)
	if err != nil {
		return err
	}
	return c.disk.Create(c.state.path(journalFile), data, secretMode)
}

// discard removes what was staged for nothing.
func (c completion) discard(j *journal) error {
	var errs []error
	for _, m := range j.Moves {
		if err := c.disk.Remove(c.at(m.Staged)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
