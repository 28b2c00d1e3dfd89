package audit

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// maxFile bounds what is read at once: a record of 100,000 certificates is
// smaller.
const maxFile = 1 << 30

// deepest is how many folders may lie in one another, far above what a ceremony has.
// To open a folder costs as many steps as it lies deep.
const deepest = 64

// tree is a directory's plain files. Links, devices and pipes are named and
// never opened.
type tree struct {
	dir   string
	root  *os.Root
	files map[string]*file // by path, with forward slashes
	dirs  map[string]bool
	odd   map[string]string // what is neither file nor folder, and why
}

// file is what is known of one. There are ten for each node, so it is small.
type file struct {
	size     int64
	belongs  bool // into the directory
	searched bool // for private keys
}

func openTree(dir string) (*tree, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	t := &tree{dir: dir, root: root, files: map[string]*file{}, dirs: map[string]bool{}, odd: map[string]string{}}
	err = fs.WalkDir(root.FS(), ".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil && path == ".":
			return err
		case err != nil:
			t.odd[path] = err.Error()
			return nil
		case path == ".":
			return nil
		case d.IsDir() && strings.Count(path, "/") >= deepest:
			t.odd[path] = fmt.Sprintf("a folder in %d others: what is in it was not looked at", deepest)
			return fs.SkipDir
		case d.IsDir():
			t.dirs[path] = true
			return nil
		}
		return t.add(path, d)
	})
	if err != nil {
		root.Close()
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	return t, nil
}

func (t *tree) add(path string, d fs.DirEntry) error {
	info, err := d.Info()
	switch {
	case err != nil:
		t.odd[path] = err.Error()
	case info.Mode()&fs.ModeSymlink != 0:
		t.odd[path] = "is a symbolic link"
	case !info.Mode().IsRegular():
		t.odd[path] = "is neither a file nor a folder"
	default:
		t.files[path] = &file{size: info.Size()}
	}
	return nil
}

func (t *tree) close() { t.root.Close() }

// path is a file's path for packages that open files themselves.
func (t *tree) path(name string) string { return filepath.Join(t.dir, filepath.FromSlash(name)) }

func (t *tree) has(name string) bool { _, ok := t.files[name]; return ok }

// size is a file's, in bytes; 0 of one that is not there.
func (t *tree) size(name string) int64 {
	if f := t.files[name]; f != nil {
		return f.size
	}
	return 0
}

// names lists the files, sorted.
func (t *tree) names() []string { return slices.Sorted(maps.Keys(t.files)) }

// open opens a file to be read as a stream. Errors name the file.
func (t *tree) open(name string) (fs.File, error) {
	found, ok := t.files[name]
	if why, odd := t.odd[name]; odd {
		return nil, fmt.Errorf("%s: %s", name, why)
	}
	if !ok {
		return nil, fmt.Errorf("%s: missing", name)
	}
	if found.size > maxFile {
		return nil, fmt.Errorf("%s: %d bytes, more than anything of a ceremony has", name, found.size)
	}
	f, err := t.root.Open(name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return f, nil
}

// read returns a file's content. Errors name the file.
func (t *tree) read(name string) ([]byte, error) {
	f, err := t.open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data := bytes.NewBuffer(make([]byte, 0, t.size(name)+bytes.MinRead)) // read in one piece
	if _, err := data.ReadFrom(io.LimitReader(f, maxFile)); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return data.Bytes(), nil
}

// Open lets the plan be read from the tree: plain files and folders alone.
func (t *tree) Open(name string) (fs.File, error) {
	if !t.has(name) && !t.dirs[name] && name != "." {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return t.root.FS().Open(name)
}
