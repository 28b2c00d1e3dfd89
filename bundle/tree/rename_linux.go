package tree

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// ErrNoExchange says that this file system cannot exchange two files.
var ErrNoExchange = errors.New("the file system cannot exchange two files")

// RenameNoReplace is Rename, but fails with fs.ErrExist if the name is taken. The
// kernel refuses, so there is no moment between looking and renaming.
func (r *Root) RenameNoReplace(from, to string) error {
	err := r.renameat(from, to, unix.RENAME_NOREPLACE)
	// Old kernels and some file systems (NFS) do not know the flag.
	if unknown(err) {
		return r.linkNoReplace(from, to)
	}
	return err
}

// Exchange gives each of two files the other's name, in one step: at no moment is
// either name without a file. It fails with ErrNoExchange where that is not possible.
func (r *Root) Exchange(a, b string) error {
	err := r.renameat(a, b, unix.RENAME_EXCHANGE)
	if unknown(err) {
		return ErrNoExchange
	}
	return err
}

func unknown(err error) bool {
	return errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EINVAL) || errors.Is(err, errors.ErrUnsupported)
}

// renameat has the kernel rename within folders that were opened below the root,
// so that no link is followed on the way.
func (r *Root) renameat(from, to string, flags uint) error {
	if r == nil {
		return linkError("rename", from, to, unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, flags))
	}
	a, err := r.Open(filepath.Dir(from))
	if err != nil {
		return err
	}
	defer a.Close()
	b := a
	if filepath.Dir(to) != filepath.Dir(from) {
		if b, err = r.Open(filepath.Dir(to)); err != nil {
			return err
		}
		defer b.Close()
	}
	err = unix.Renameat2(int(a.Fd()), filepath.Base(from), int(b.Fd()), filepath.Base(to), flags)
	return linkError("rename", from, to, err)
}

// Fixed says why a file cannot be replaced, although one can be made beside it:
// it may not be changed at all, or something is mounted there. It returns "" and no
// error if it finds no obstacle.
func (r *Root) Fixed(path string) (string, error) {
	folder, err := r.Open(filepath.Dir(path))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer folder.Close()
	reason, err := fixed(folder, "", unix.AT_EMPTY_PATH, "its folder")
	if err != nil || reason != "" {
		return reason, err
	}
	return fixed(folder, filepath.Base(path), unix.AT_SYMLINK_NOFOLLOW, "it")
}

func fixed(folder *os.File, name string, flags int, what string) (string, error) {
	var st unix.Statx_t
	err := unix.Statx(int(folder.Fd()), name, flags, unix.STATX_TYPE, &st)
	if errors.Is(err, fs.ErrNotExist) || unknown(err) || errors.Is(err, unix.EPERM) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	switch {
	case st.Attributes&unix.STATX_ATTR_IMMUTABLE != 0:
		return what + " is immutable (lsattr shows i); chattr -i lets it be replaced", nil
	case st.Attributes&unix.STATX_ATTR_APPEND != 0:
		return what + " is append-only (lsattr shows a); chattr -a lets it be replaced", nil
	case name != "" && st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0:
		return "something is mounted on it; umount lets it be replaced", nil
	}
	return "", nil
}
