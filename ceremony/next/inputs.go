package next

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/plan"
)

// File is a file as somebody gave it.
type File struct {
	Name  string // as it was given, for messages
	Data  []byte
	Below string // its path below the plan's folder, with slashes; empty when it lies elsewhere
}

// Copy is a file that has to lie below the plan's folder before the plan does.
type Copy struct {
	Path string // with slashes
	data []byte
	from *original // of which there is no data here; nil: there is
}

// original is a file that is copied from where it lies: of each node there is one, and of
// each ceremony a record.
type original struct {
	folder fs.FS
	name   string
	sum    fingerprint.SHA256
}

// WriteTo writes the file's content. One that changed since the plan was made is an error.
func (c Copy) WriteTo(w io.Writer) (int64, error) {
	if c.from == nil {
		n, err := w.Write(c.data)
		return int64(n), err
	}
	f, err := c.from.folder.Open(c.from.name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	hash := sha256.New()
	n, err := io.Copy(io.MultiWriter(w, hash), f)
	if err == nil && fingerprint.SHA256(hash.Sum(nil)) != c.from.sum {
		err = fmt.Errorf("%s: %s, of which it is a copy, changed since it was read", c.Path, c.from.name)
	}
	return n, err
}

// sum is the SHA-256 of the file.
func (c Copy) sum() fingerprint.SHA256 {
	if c.from == nil {
		return fingerprint.Of(c.data)
	}
	return c.from.sum
}

// open opens the file as if it were there.
func (c Copy) open() (fs.File, error) {
	if c.from == nil {
		return &unwritten{bytes.NewReader(c.data), path.Base(c.Path)}, nil
	}
	return c.from.folder.Open(c.from.name)
}

// Desk is where a plan is written, and when.
type Desk struct {
	Folder fs.FS  // the plan's; what lies there already is held against what the plan names
	Dir    string // its name, for messages
	Now    time.Time
}

// inputs gathers the files a plan names, which have to lie below its folder.
type inputs struct {
	desk   Desk
	copies []Copy
	byPath map[string]int // places among copies
}

// place returns the path of a file below the plan's folder: its own when it lies
// there already, else want, where it has to be copied.
func (in *inputs) place(f File, want string) (string, error) {
	if f.Below != "" {
		return f.Below, nil
	}
	return want, in.add(want, f.Data)
}

// add plans a copy; a file that is there already has to be the same.
func (in *inputs) add(to string, data []byte) error { return in.plan(Copy{Path: to, data: data}) }

// addFrom is add, of a file in a folder, of which the SHA-256 is known.
func (in *inputs) addFrom(to string, folder fs.FS, name string, sum fingerprint.SHA256) error {
	return in.plan(Copy{Path: to, from: &original{folder, name, sum}})
}

func (in *inputs) plan(c Copy) error {
	if err := plan.CheckInputPath(c.Path); err != nil {
		return err
	}
	full := filepath.Join(in.desk.Dir, filepath.FromSlash(c.Path))
	found, err := sumIn(in.desk.Folder, c.Path)
	switch {
	case err == nil && found == c.sum():
		return nil
	case err == nil:
		return fmt.Errorf("%s: already exists, with other content; nothing is overwritten", full)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if i, ok := in.byPath[c.Path]; ok && in.copies[i].sum() != c.sum() {
		return fmt.Errorf("two files of different content would be copied to %s", full)
	}
	if in.byPath == nil {
		in.byPath = map[string]int{}
	}
	in.byPath[c.Path] = len(in.copies)
	in.copies = append(in.copies, c)
	return nil
}

// sumIn is the SHA-256 of a file.
func sumIn(folder fs.FS, name string) (sum fingerprint.SHA256, err error) {
	f, err := folder.Open(name)
	if err != nil {
		return sum, err
	}
	defer f.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, f); err != nil {
		return sum, err
	}
	return fingerprint.SHA256(hash.Sum(nil)), nil
}

// overlay is a folder with files that are not written yet, so that a plan can be
// judged before it leaves a trace.
type overlay struct {
	text   []byte // of the plan
	copies *inputs
	below  fs.FS
}

func (o *overlay) Open(name string) (fs.File, error) {
	if name == plan.File {
		return &unwritten{bytes.NewReader(o.text), name}, nil
	}
	if i, ok := o.copies.byPath[name]; ok {
		return o.copies.copies[i].open()
	}
	return o.below.Open(name)
}

// unwritten is a file in memory, and what fs.Stat says of it.
type unwritten struct {
	*bytes.Reader
	name string
}

func (f *unwritten) Stat() (fs.FileInfo, error) { return f, nil }
func (f *unwritten) Close() error               { return nil }
func (f *unwritten) Name() string               { return f.name }
func (f *unwritten) Mode() fs.FileMode          { return 0o644 }
func (f *unwritten) ModTime() time.Time         { return time.Time{} }
func (f *unwritten) IsDir() bool                { return false }
func (f *unwritten) Sys() any                   { return nil }
