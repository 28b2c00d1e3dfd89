package durable

import (
	"errors"
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
}

// Stage writes data under a temporary name beside path, with its final mode,
// synced, and returns that name. Rename or RenameNoReplace and SyncDir make it
// path; IsTemp is true for it until then.
func (d *Disk) Stage(path string, data []byte, mode fs.FileMode) (staged string, err error) {
	names, err := d.StageAll([]File{{path, data, mode}})
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
	if err := d.write(f, file.Path, file.Data); err != nil {
		return err
	}
	return d.do(OpChmod, file.Path, func() error { return f.Chmod(file.Mode) })
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
