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

// apply carries a transaction out. An error before the journal is on disk leaves
// the node as it was; so does one after it, unless what was in place cannot be put
// back either. Then the next run finishes.
func (n *Node) apply(t *transaction) error {
	t, err := n.needed(t)
	if err == nil {
		err = n.movable(t)
	}
	if err != nil {
		return fmt.Errorf("%s, nothing was changed: %w", t.operation, err)
	}
	j := &journal{APIVersion: apiVersion, Kind: journalKind, Operation: t.operation,
		Started: n.Now().UTC().Truncate(time.Second), Removals: t.remove, Renames: t.renames}
	err = n.stage(j, t)
	if err == nil {
		err = n.commit(j)
	}
	if err != nil {
		if _, jerr := n.files().Lstat(n.State().path(journalFile)); errors.Is(jerr, fs.ErrNotExist) {
			return errors.Join(fmt.Errorf("%s, nothing was changed: %w", t.operation, err), n.discard(j))
		}
		return fmt.Errorf("%s was interrupted, the same command finishes it: %w", t.operation, err)
	}
	return n.finish(j)
}

// needed is what of a transaction has to be done. A file that is replaced keeps its
// owner: etcd's may belong to its user.
func (n *Node) needed(t *transaction) (*transaction, error) {
	some := &transaction{operation: t.operation, renames: t.renames}
	for _, p := range t.write {
		now, err := n.read(p.path)
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
		_, err := n.files().Lstat(n.at(path))
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
func (n *Node) movable(t *transaction) error {
	paths := slices.Clone(t.remove)
	for _, p := range t.write {
		paths = append(paths, p.path)
	}
	for _, r := range t.renames {
		paths = append(paths, r.From)
	}
	var errs []error
	for _, path := range paths {
		reason, err := n.files().Fixed(n.at(path))
		if err != nil {
			return err
		}
		if reason != "" {
			errs = append(errs, fmt.Errorf("%s cannot be replaced: %s", n.at(path), reason))
		}
	}
	return errors.Join(errs...)
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
		if err := n.disk().MkdirAll(folder, folderMode(p.path)); err != nil {
			return err
		}
	}
	staged, err := n.disk().StageAll(list)
	if err != nil {
		return err
	}
	for i, p := range t.write {
		rel, err := filepath.Rel(n.Root, staged[i])
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
		if err := n.give(staged[i], p); err != nil {
			return err
		}
	}
	// The journal may name only what a power cut leaves there.
	return n.disk().SyncDirs(folders)
}

func octal(mode fs.FileMode) string { return fmt.Sprintf("%04o", mode) }

// give makes a file belong to whom it belongs already, or belonged. Only root can;
// for everybody else it stays theirs.
func (n *Node) give(staged string, p placed) error {
	info, err := n.files().Lstat(staged)
	if err != nil {
		return err
	}
	has := ownerOf(info)
	if p.owner == nil || has == nil || *has == *p.owner {
		return nil
	}
	err = n.disk().Chown(staged, n.at(p.path), p.owner.uid, p.owner.gid)
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
	return n.disk().Create(n.State().path(journalFile), data, secretMode)
}

// discard removes what was staged for nothing.
func (n *Node) discard(j *journal) error {
	var errs []error
	for _, m := range j.Moves {
		if err := n.disk().Remove(n.at(m.Staged)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
