package next

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"time"

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
	Data []byte
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
func (in *inputs) add(to string, data []byte) error {
	if err := plan.CheckInputPath(to); err != nil {
		return err
	}
	full := filepath.Join(in.desk.Dir, filepath.FromSlash(to))
	found, err := fs.ReadFile(in.desk.Folder, to)
	switch {
	case err == nil && bytes.Equal(found, data):
		return nil
	case err == nil:
		return fmt.Errorf("%s: already exists, with other content; nothing is overwritten", full)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	for _, c := range in.copies {
		if c.Path == to && !bytes.Equal(c.Data, data) {
			return fmt.Errorf("two files of different content would be copied to %s", full)
		}
	}
	in.copies = append(in.copies, Copy{to, data})
	return nil
}

// overlay is a folder with files that are not written yet, so that a plan can be
// judged before it leaves a trace.
type overlay struct {
	files map[string][]byte
	below fs.FS
}

func (o *overlay) Open(name string) (fs.File, error) {
	if data, ok := o.files[name]; ok {
		return &unwritten{bytes.NewReader(data), path.Base(name)}, nil
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
