package install

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"officiant/bundle/durable"
	"officiant/bundle/fingerprint"
)

// staging brings a transaction to where its journal can be written.
type staging struct {
	completion
	now func() time.Time
}

// apply carries a transaction out. An error before the journal is on disk leaves
// the node as it was; so does one after it, unless what was in place cannot be put
// back either. Then the next run finishes.
func (s staging) apply(t *transaction) error {
	t, err := s.needed(t)
	if err == nil {
		err = s.movable(t)
	}
	if err != nil {
		return fmt.Errorf("%s, nothing was changed: %w", t.operation, err)
	}
	j := &journal{APIVersion: apiVersion, Kind: journalKind, Operation: t.operation,
		Started: s.now().UTC().Truncate(time.Second), Removals: t.remove, Renames: t.renames}
	err = s.stage(j, t)
	if err == nil {
		err = s.commit(j)
	}
	if err != nil {
		if _, jerr := s.files.Lstat(s.state.path(journalFile)); errors.Is(jerr, fs.ErrNotExist) {
			return errors.Join(fmt.Errorf("%s, nothing was changed: %w", t.operation, err), s.discard(j))
		}
		return fmt.Errorf("%s was interrupted, the same command finishes it: %w", t.operation, err)
	}
	return s.finish(j)
}

// needed is what of a transaction has to be done. A file that is replaced keeps its
// owner: etcd's may belong to its user.
func (s staging) needed(t *transaction) (*transaction, error) {
	some := &transaction{operation: t.operation, renames: t.renames}
	for _, p := range t.write {
		now, err := s.read(p.path)
		if err != nil {
			return t, err
		}
		if now != nil && p.owner == nil {
			p.owner = now.owner
		}
		p.replaces = now != nil
		if difference(now, p) != "" || p.owner != nil && now.owner != nil && *p.owner != *now.owner {
			some.write = append(some.write, p)
		}
	}
	for _, path := range t.remove {
		_, err := s.files.Lstat(s.at(path))
		if err == nil {
			some.remove = append(some.remove, path)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return t, err
		}
	}
	return some, nil
}

// movable looks at every target before the first is changed: one that cannot be
// replaced would leave new and old files side by side.
func (s staging) movable(t *transaction) error {
	paths := slices.Clone(t.remove)
	for _, p := range t.write {
		paths = append(paths, p.path)
	}
	for _, r := range t.renames {
		paths = append(paths, r.From)
	}
	var errs []error
	for _, path := range paths {
		reason, err := s.files.Fixed(s.at(path))
		if err != nil {
			return err
		}
		if reason != "" {
			errs = append(errs, fmt.Errorf("%s cannot be replaced: %s", s.at(path), reason))
		}
	}
	return errors.Join(errs...)
}

// stage writes every new file beside the place it is for.
func (s staging) stage(j *journal, t *transaction) error {
	var folders []string
	var list []durable.File
	for _, p := range t.write {
		at := s.at(p.path)
		list = append(list, durable.File{Path: at, Data: p.data, Mode: p.mode})
		folder := filepath.Dir(at)
		if slices.Contains(folders, folder) {
			continue
		}
		folders = append(folders, folder)
		if err := s.contained(path.Dir(p.path)); err != nil {
			return err
		}
		if err := s.disk.MkdirAll(folder, folderMode(p.path)); err != nil {
			return err
		}
	}
	staged, err := s.disk.StageAll(list)
	if err != nil {
		return err
	}
	for i, p := range t.write {
		rel, err := filepath.Rel(s.root, staged[i])
		if err != nil {
			return err
		}
		was := wasAbsent
		if p.replaces {
			was = wasThere
		}
		j.Moves = append(j.Moves, move{p.path, filepath.ToSlash(rel), fingerprint.Of(p.data), octal(p.mode), was})
	}
	for i, p := range t.write {
		if err := s.give(staged[i], p); err != nil {
			return err
		}
	}
	// The journal may name only what a power cut leaves there.
	return s.disk.SyncDirs(folders)
}

func octal(mode fs.FileMode) string { return fmt.Sprintf("%04o", mode) }

func folderMode(path string) fs.FileMode {
	if strings.HasPrefix(path, StateDir+"/") {
		return stateMode
	}
	return 0o755
}
