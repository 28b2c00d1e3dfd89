//go:build unix

package install

import (
	"os"
	"syscall"
)

// tryLock locks an open directory for as long as it stays open.
func tryLock(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) }
