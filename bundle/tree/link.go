package tree

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
)

// linkNoReplace is a rename in two steps that cannot replace either: a hard
// link fails when its name is taken. Killed in between, it leaves a second,
// temporary name of a complete file. File systems without hard links (FAT, exFAT)
// and folders, which have none, are renamed under a lock.
func (r *Root) linkNoReplace(from, to string) error {
	err := r.Link(from, to)
	switch {
	case err == nil:
		return r.Remove(from)
	case errors.Is(err, syscall.EPERM), errors.Is(err, errors.ErrUnsupported):
		return r.lockedNoReplace(from, to)
	}
	return err
}

// lockedNoReplace looks whether the name is free and renames, while it holds a lock
// on the folder: it cannot replace what another process of ours placed. There is no
// moment in which the name shows half a file, and a killed process's lock ends with it.
func (r *Root) lockedNoReplace(from, to string) error {
	unlock, err := r.lockFolderOf(to)
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.ENOLCK) {
		return fmt.Errorf("this file system can neither rename without replacing, nor make hard links, "+
			"nor lock files; use another one, such as ext4 or exFAT: %w", err)
	}
	if err != nil {
		return fmt.Errorf("locking the folder: %w", err)
	}
	defer unlock()
	if _, err := r.Lstat(to); err == nil {
		return fs.ErrExist
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return r.Rename(from, to)
}
