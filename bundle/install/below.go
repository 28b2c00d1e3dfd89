package install

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"officiant/bundle/tree"
)

// below is what lies below a node's root; everything is read and written through it.
type below struct {
	root  string
	files *tree.Root
}

// at is where a path below the root lies.
func (b below) at(path string) string { return filepath.Join(b.root, filepath.FromSlash(path)) }

// contained refuses a tree whose folders lead out of it, before anything is read.
func (b below) contained(more ...string) error {
	if _, err := os.Stat(b.root); err != nil {
		return fmt.Errorf("the node's root directory: %w", err)
	}
	for _, folder := range append(folders(), more...) {
		err := b.files.Folder(b.at(folder))
		var outside *tree.Outside
		switch {
		case errors.As(err, &outside):
			return refusedf("this node", folder, "%s", strings.TrimPrefix(outside.Error(), folder+" "))
		case tree.Dangling(err):
			return refusedf("this node", folder, "%s", strings.TrimPrefix(plain(err).Error(), folder+" "))
		case err != nil:
			return fmt.Errorf("%s: %w", folder, err)
		}
	}
	return nil
}

func (b below) there(path string) (bool, error) {
	_, err := b.files.Lstat(b.at(path))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// read reads a file below the root; nil without error when there is none.
// What is not a plain file is an error: it would be replaced, not filled.
func (b below) read(path string) (*placed, error) {
	info, err := b.files.Lstat(b.at(path))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a plain file (%s)", b.at(path), info.Mode().Type())
	}
	data, err := b.files.ReadFile(b.at(path))
	if err != nil {
		return nil, err
	}
	return &placed{path: path, data: data, mode: info.Mode().Perm(), owner: ownerOf(info)}, nil
}

// readAny reads a file below the root, through links; nil when there is none.
func (b below) readAny(path string) ([]byte, error) {
	data, err := b.files.ReadFile(b.at(path))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

// foldersBelow lists the folders below one, whatever a bundle of before had in them.
func (b below) foldersBelow(folder string) []string {
	var list []string
	_ = b.files.Walk(b.at(folder), func(at string, e fs.DirEntry) error {
		if rel, err := filepath.Rel(b.root, at); err == nil && e.IsDir() {
			list = append(list, filepath.ToSlash(rel))
		}
		return nil // what cannot be read holds nothing of ours
	})
	return list
}

// filesBelow calls look with each file below a folder, which may be a link.
func (b below) filesBelow(folder string, look func(path string)) error {
	top := b.at(folder)
	return b.files.Walk(top, func(at string, e fs.DirEntry) error {
		if e.IsDir() {
			return nil
		}
		rel, err := filepath.Rel(top, at)
		if err != nil {
			return err
		}
		path := folder + "/" + filepath.ToSlash(rel)
		if rel == "etcd" && e.Type()&fs.ModeSymlink != 0 {
			return nil // a link to the folder, looked into on its own
		}
		look(path)
		return nil
	})
}
