package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Log is an append-only file. It is not safe for concurrent use.
type Log struct {
	disk *Disk
	path string
	file *os.File
	size int64
	// Of size, what Sync has brought to the disk.
	synced int64
	err    error // the first failure; none is forgotten
}

// OpenLog opens the file for appending. If there is none, it creates one with exactly this
// mode and syncs the folder.
func (d *Disk) OpenLog(path string, mode fs.FileMode) (*Log, error) {
	f, err := d.files().OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if errors.Is(err, fs.ErrNotExist) {
		f, err = d.createLog(path, mode)
	}
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", path)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &Log{disk: d, path: path, file: f, size: info.Size(), synced: info.Size()}, nil
}

func (d *Disk) createLog(path string, mode fs.FileMode) (f *os.File, err error) {
	err = d.do(OpCreate, path, func() (err error) {
		f, err = d.files().OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|os.O_EXCL, 0o600)
		return err
	})
	if err != nil {
		return nil, err
	}
	err = d.do(OpChmod, path, func() error { return f.Chmod(mode) })
	if err == nil {
		err = d.SyncDir(filepath.Dir(path))
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Size is the length of the file in bytes.
func (l *Log) Size() int64 { return l.size }

// Write appends p. It is on disk only after Sync. A write that fails takes back what was
// written since the last Sync, if the disk lets it.
func (l *Log) Write(p []byte) (int, error) {
	if l.err != nil {
		return 0, l.err
	}
	if err := l.disk.write(l.file, l.path, p); err != nil {
		l.fail(err)
		return 0, err
	}
	l.size += int64(len(p))
	return len(p), nil
}

// Sync returns when all that was written is on disk. If it fails, it takes back what was
// written since the last Sync, if the disk lets it.
func (l *Log) Sync() error {
	if l.err != nil {
		return l.err
	}
	if err := l.disk.do(OpSync, l.path, l.file.Sync); err != nil {
		l.fail(err)
		return err
	}
	l.synced = l.size
	return nil
}

// fail remembers the failure, and takes back what the caller takes for not written: on a
// full disk, whole records may stand in the half that fitted.
func (l *Log) fail(err error) {
	l.err = err
	_ = l.disk.do(OpTruncate, l.path, func() error { return l.file.Truncate(l.synced) })
}

// Truncate cuts the file to size bytes and syncs it.
func (l *Log) Truncate(size int64) error {
	if l.err != nil {
		return l.err
	}
	if size < 0 || size > l.size {
		return fmt.Errorf("%s has %d bytes, cannot be cut to %d", l.path, l.size, size)
	}
	if l.err = l.disk.do(OpTruncate, l.path, func() error { return l.file.Truncate(size) }); l.err != nil {
		return l.err
	}
	l.size, l.synced = size, size
	return l.Sync()
}

// Close closes the file; it does not sync.
func (l *Log) Close() error { return l.file.Close() }
