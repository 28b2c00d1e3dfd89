package durable

import (
	"errors"

	"golang.org/x/sys/unix"
)

// renameNoReplace leaves it to the kernel to refuse a taken name, so that there
// is no moment between looking and renaming.
func renameNoReplace(from, to string) error {
	err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
	// Old kernels and some file systems (NFS) do not know the flag.
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EINVAL) {
		return linkNoReplace(from, to)
	}
	return err
}
