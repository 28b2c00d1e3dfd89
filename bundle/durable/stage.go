package durable

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// File is a file to be staged.
type File struct {
	Path string
	Data []byte
	Mode fs.FileMode
	Fill func(io.Writer) error // writes what is in it piece by piece, in place of Data
}

// Stage writes data under a temporary name beside path, with its final mode,
// synced, and returns that name. Rename or RenameNoReplace and SyncDir make it
// path; IsTemp is true for it until then.
func (d *Disk) Stage(path string, data []byte, mode fs.FileMode) (staged string, err error) {
	return d.stage(File{Path: path, Data: data, Mode: mode})
}

func (d *Disk) stage(file File) (staged string, err error) {
	names, err := d.StageAll([]File{file})
	if err != nil {
		return "", err
	}
	return names[0], nil
}

// StageAll is Stage for several files, and returns their names in order. All are
// written first, then synced side by side, which a disk does in a third of the
// time. When it fails, it removes what it made.
func (d *Disk) StageAll(files []File) (staged []string, err error) {
	var names []string
	open, paths := make([]*os.File, 0, len(files)), make([]string, len(files))
	for i, file := range files {
		paths[i] = file.Path
		var f *os.File
		err = d.do(OpCreate, file.Path, func() (err error) {
			var name string
			f, name, err = d.files().CreateTemp(filepath.Dir(file.Path), tempPrefix)
			names = append(names, name)
			return err
		})
		if err != nil {
			break
		}
		open = append(open, f)
		if err = d.fill(f, file); err != nil {
			break
		}
	}
	if err == nil {
		err = d.sideBySide(OpSync, paths, func(i int) error { return open[i].Sync() })
	}
	for _, f := range open {
		err = errors.Join(err, f.Close())
	}
	if err == nil {
		return names, nil
	}
	for i, name := range names[:len(open)] {
		err = errors.Join(err, d.discard(name, files[i].Path))
	}
	return nil, err
}

func (d *Disk) fill(f *os.File, file File) error {
	var err error
	if file.Fill == nil {
		err = d.write(f, file.Path, file.Data)
	} else {
		w := bufio.NewWriterSize(gated{d, f, file.Path}, 64<<10)
		if err = file.Fill(w); err == nil {
			err = w.Flush()
		}
	}
	if err != nil {
		return err
	}
	return d.do(OpChmod, file.Path, func() error { return f.Chmod(file.Mode) })
}

// gated is a file that is written piece by piece, each asked for.
type gated struct {
	disk *Disk
	file *os.File
	path string
}

func (g gated) Write(p []byte) (int, error) {
	if err := g.disk.write(g.file, g.path, p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// SyncDirs is SyncDir for several folders, side by side.
func (d *Disk) SyncDirs(folders []string) error {
	return d.sideBySide(OpSyncDir, folders, func(i int) error { return d.syncDir(folders[i]) })
}

// sideBySide asks the gate for one path after the other, and returns when all that
// it let through is done.
func (d *Disk) sideBySide(op Op, paths []string, act func(i int) error) error {
	errs := make([]error, len(paths))
	var atWork sync.WaitGroup
	defer atWork.Wait()
	for i, path := range paths {
		err := d.do(op, path, func() error {
			atWork.Go(func() { errs[i] = act(i) })
			return nil
		})
		if err != nil {
			return err
		}
	}
	atWork.Wait()
	return errors.Join(errs...)
}
