//go:build unix

package durable

import (
	"os"
	"path/filepath"
	"syscall"
)

// lockFolderOf waits for the lock on the folder that path is in: a temporary file
// of its own, since callers lock folders themselves.
func lockFolderOf(path string) (unlock func(), err error) {
	name := filepath.Join(filepath.Dir(path), tempPrefix+"lock")
	for {
		f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return nil, err
		}
		if err := wait(f); err != nil {
			_ = f.Close()
			return nil, err
		}
		// Whoever had it may have removed the name by now, and another made it anew.
		if mine, named := stat(f, name); os.SameFile(mine, named) {
			return func() {
				_ = os.Remove(name) // left behind, it is a temporary file like others
				_ = f.Close()       // which releases it
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

func stat(f *os.File, name string) (mine, named os.FileInfo) {
	mine, err := f.Stat()
	if err != nil {
		return nil, nil
	}
	named, err = os.Lstat(name)
	if err != nil {
		return nil, nil
	}
	return mine, named
}
