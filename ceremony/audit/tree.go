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
	"sync"
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
	dir  string
	root *os.Root
	listing
	shut    map[string]bool // folders of bundles that are not listed yet; see enter
	settled int             // files that were in bundles, belong there, and were searched; see settle
	record  *recordText     // nil until the record is opened
}

// listing is what lies in a folder, by path from the directory's top, with forward slashes.
type listing struct {
	files map[string]*file
	dirs  map[string]bool
	odd   map[string]string // what is neither file nor folder, and why
}

// file is what is known of one. There are ten for each node, so it is small.
type file struct {
	size     int64
	belongs  bool // into the directory
	searched bool // for private keys
}

func newListing() listing {
	return listing{files: map[string]*file{}, dirs: map[string]bool{}, odd: map[string]string{}}
}

func openTree(dir string) (*tree, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	t := &tree{dir: dir, root: root, listing: newListing(), shut: map[string]bool{}}
	if err := t.walk(".", t.listing, t.isBundle); err != nil {
		root.Close()
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	return t, nil
}

// isBundle says whether a folder has a bundle's place. There is one for each node, with
// eight files in it, so it is listed when it is looked at, and released after.
func (t *tree) isBundle(folder string) bool {
	parent, _, _ := strings.Cut(folder, "/")
	if parent != bundlesFolder || strings.Count(folder, "/") != 1 {
		return false
	}
	t.shut[folder] = true
	return true
}

// walk lists a folder and what is below it, but for what is in folders to be left shut.
func (t *tree) walk(top string, into listing, shut func(folder string) bool) error {
	return fs.WalkDir(t.root.FS(), top, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil && path == ".":
			return err
		case err != nil:
			into.odd[path] = err.Error()
			return nil
		case path == ".":
			return nil
		case d.IsDir() && strings.Count(path, "/") >= deepest:
			into.odd[path] = fmt.Sprintf("a folder in %d others: what is in it was not looked at", deepest)
			return fs.SkipDir
		case d.IsDir():
			into.dirs[path] = true
			if shut(path) {
				return fs.SkipDir
			}
			return nil
		}
		return into.add(path, d)
	})
}

func (l listing) add(path string, d fs.DirEntry) error {
	info, err := d.Info()
	switch {
	case err != nil:
		l.odd[path] = err.Error()
	case info.Mode()&fs.ModeSymlink != 0:
		l.odd[path] = "is a symbolic link"
	case !info.Mode().IsRegular():
		l.odd[path] = "is neither a file nor a folder"
	default:
		l.files[path] = &file{size: info.Size()}
	}
	return nil
}

// list lists a bundle's folder, on its own; nil of one that is not shut.
func (t *tree) list(folder string) *listing {
	if !t.shut[folder] {
		return nil
	}
	l := newListing()
	_ = t.walk(folder, l, func(string) bool { return false }) // it names what it cannot read
	return &l
}

// insert adds what lies in a bundle's folder to the tree, for good.
func (t *tree) insert(folder string, l *listing) {
	delete(t.shut, folder)
	maps.Copy(t.files, l.files)
	maps.Copy(t.dirs, l.dirs)
	maps.Copy(t.odd, l.odd)
}

// settle releases a bundle of which nothing remains to be said.
func (t *tree) settle(base string) {
	delete(t.shut, base)
	delete(t.dirs, base)
	delete(t.files, base+".tar")
}

// enter lists the bundle's folder that a file would be in, if it is still shut.
func (t *tree) enter(name string) {
	if len(t.shut) == 0 || !strings.HasPrefix(name, bundlesFolder+"/") {
		return
	}
	base := name[len(bundlesFolder)+1:]
	if i := strings.IndexByte(base, '/'); i >= 0 {
		folder := name[:len(bundlesFolder)+1+i]
		if l := t.list(folder); l != nil {
			t.insert(folder, l)
		}
	}
}

// complete lists every folder that is still shut.
func (t *tree) complete() {
	for _, folder := range sortedKeys(t.shut) {
		t.insert(folder, t.list(folder))
	}
}

// find is what is known of a file, nil of one that is not there.
func (t *tree) find(name string) *file {
	t.enter(name)
	return t.files[name]
}

// count is how many files there are.
func (t *tree) count() int {
	t.complete()
	return len(t.files) + t.settled
}

func (t *tree) close() {
	if t.record != nil {
		t.record.file.Close()
	}
	t.root.Close()
}

// openRecord opens the record, of which parts are read until the tree is closed.
func (t *tree) openRecord() (io.Reader, error) {
	f, err := t.open(transcriptFile)
	if err != nil {
		return nil, err
	}
	t.record = &recordText{file: f}
	return f, nil
}

// path is a file's path for packages that open files themselves.
func (t *tree) path(name string) string { return filepath.Join(t.dir, filepath.FromSlash(name)) }

func (t *tree) has(name string) bool { return t.find(name) != nil }

// size is a file's, in bytes; 0 of one that is not there.
func (t *tree) size(name string) int64 {
	if f := t.find(name); f != nil {
		return f.size
	}
	return 0
}

// names lists the files, sorted, but for those that are settled.
func (t *tree) names() []string {
	t.complete()
	return slices.Sorted(maps.Keys(t.files))
}

// open opens a file to be read as a stream. Errors name the file.
func (t *tree) open(name string) (*os.File, error) {
	found := t.find(name)
	if why, odd := t.odd[name]; odd {
		return nil, fmt.Errorf("%s: %s", name, why)
	}
	if found == nil {
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

// holds says whether a file's content is want, without reading it in one piece.
func (t *tree) holds(name string, want []byte) (bool, error) {
	f, err := t.open(name)
	if err != nil {
		return false, err
	}
	defer f.Close()
	part := pieces.Get().(*[]byte)
	defer pieces.Put(part)
	for {
		n, err := f.Read(*part)
		if !bytes.HasPrefix(want, (*part)[:n]) {
			return false, nil
		}
		want = want[n:]
		switch {
		case err == io.EOF:
			return len(want) == 0, nil
		case err != nil:
			return false, fmt.Errorf("%s: %w", name, err)
		}
	}
}

var pieces = sync.Pool{New: func() any { b := make([]byte, 32<<10); return &b }}

// Open lets the plan be read from the tree: plain files and folders alone.
func (t *tree) Open(name string) (fs.File, error) {
	if !t.has(name) && !t.dirs[name] && name != "." {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return t.root.FS().Open(name)
}
