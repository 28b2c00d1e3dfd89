//go:build unix

package tree

import (
	"os"
	"path/filepath"
	"syscall"
)

// lockName is one of durable's temporary names.
const lockName = ".officiant-tmp-lock"

// lockFolderOf waits for the lock on the folder that path is in: a temporary file
// of its own, since callers lock folders themselves.
func (r *Root) lockFolderOf(path string) (unlock func(), err error) {
	name := filepath.Join(filepath.Dir(path), lockName)
	for {
		f, err := r.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return nil, err
		}
		if err := wait(f); err != nil {
			_ = f.Close()
			return nil, err
		}
		// Whoever had it may have removed the name by now, and another made it anew.
		if mine, named := r.stat(f, name); os.SameFile(mine, named) {
			return func() {
				_ = r.Remove(name) // left behind, it is a temporary file like others
				_ = f.Close()      // which releases it
			}, nil
		}
		_ = f.Close()
	}
}

func wait(f *os.File) error {
	for {
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != syscall.EINTR {
			return err
		}
	}
}

func (r *Root) stat(f *os.File, name string) (mine, named os.FileInfo) {
	mine, err := f.Stat()
	if err != nil {
		return nil, nil
	}
	named, err = r.Lstat(name)
	if err != nil {
		return nil, nil
	}
	return mine, named
}
