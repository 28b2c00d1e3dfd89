package main

import (
	"bytes"
	"io/fs"
	"path"
	"time"
)

// overlay is a folder with files that are not written yet, so that a plan can
// be judged before it leaves a trace.
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
