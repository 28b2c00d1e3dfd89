package tree

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// Lstat looks at a file, or at the link that it is.
func (r *Root) Lstat(path string) (fs.FileInfo, error) {
	root, at, err := r.at("lstat", path, false)
	if err != nil {
		return nil, err
	}
	if root == nil {
		return os.Lstat(at)
	}
	info, err := root.Lstat(at)
	return info, whole("lstat", path, err)
}

// Stat looks at a file, through links.
func (r *Root) Stat(path string) (fs.FileInfo, error) {
	root, at, err := r.at("stat", path, true)
	if err != nil {
		return nil, err
	}
	if root == nil {
		return os.Stat(at)
	}
	info, err := root.Stat(at)
	return info, whole("stat", path, err)
}

// OpenFile is os.OpenFile.
func (r *Root) OpenFile(path string, flag int, mode fs.FileMode) (*os.File, error) {
	root, at, err := r.at("open", path, flag&os.O_EXCL == 0)
	if err != nil {
		return nil, err
	}
	if root == nil {
		return os.OpenFile(at, flag, mode)
	}
	f, err := root.OpenFile(at, flag, mode)
	if err != nil {
		return nil, whole("open", path, err)
	}
	return f, nil
}

// Open opens a file or folder for reading.
func (r *Root) Open(path string) (*os.File, error) { return r.OpenFile(path, os.O_RDONLY, 0) }

// maxFile is above every file that a node has for us.
const maxFile = 64 << 20

// ReadFile reads a file whole, through links. A pipe or device in its place is refused:
// nothing waits for what writes to it, or reads on for ever.
func (r *Root) ReadFile(path string) ([]byte, error) {
	f, err := r.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe opens without its writer
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if what := special(info.Mode()); what != "" {
		return nil, &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("is %s, where a file belongs", what)}
	}
	var data []byte
	if info.Size() <= maxFile {
		data, err = io.ReadAll(io.LimitReader(f, maxFile+1))
	}
	switch {
	case err == nil && (len(data) > maxFile || info.Size() > maxFile):
		err = fmt.Errorf("has more than the %d MiB that are read", maxFile>>20)
	case err == nil:
		return data, nil
	}
	return nil, &fs.PathError{Op: "read", Path: path, Err: plain(err)}
}

// special is what stands in place of a file; "" for a file or folder.
func special(mode fs.FileMode) string {
	switch {
	case mode&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	case mode&fs.ModeDevice != 0:
		return "a device"
	}
	return ""
}

// ReadDir lists a folder, sorted.
func (r *Root) ReadDir(path string) ([]fs.DirEntry, error) {
	root, at, err := r.at("open", path, true)
	if err != nil {
		return nil, err
	}
	if root == nil {
		return os.ReadDir(at)
	}
	list, err := fs.ReadDir(root.FS(), filepath.ToSlash(at))
	return list, whole("open", path, err)
}

// deepest is how many folders may lie in one another, far above what a node has. To open
// one costs as many steps as it lies deep.
const deepest = 64

// Walk calls fn for each file below a folder with its path. It follows no links,
// except for the folder itself. It ends with the first error, one of which is a folder
// in more than 64 others.
func (r *Root) Walk(folder string, fn func(path string, e fs.DirEntry) error) error {
	return r.walk(folder, deepest, fn)
}

func (r *Root) walk(folder string, deeper int, fn func(path string, e fs.DirEntry) error) error {
	if deeper < 0 {
		return &fs.PathError{Op: "read", Path: folder, Err: fmt.Errorf("more than %d folders in one another", deepest)}
	}
	entries, err := r.ReadDir(folder)
	if err != nil {
		return err
	}
	for _, e := range entries {
		path := filepath.Join(folder, e.Name())
		if err := fn(path, e); err != nil {
			return err
		}
		if !e.IsDir() {
			continue
		}
		if err := r.walk(path, deeper-1, fn); err != nil {
			return err
		}
	}
	return nil
}

// Mkdir makes a folder. For users other than root, the umask reduces mode.
func (r *Root) Mkdir(path string, mode fs.FileMode) error {
	root, at, err := r.at("mkdir", path, false)
	if err != nil {
		return err
	}
	if root == nil {
		return os.Mkdir(at, mode)
	}
	return whole("mkdir", path, root.Mkdir(at, mode))
}

// Chmod sets the mode of a file or folder.
func (r *Root) Chmod(path string, mode fs.FileMode) error {
	root, at, err := r.at("chmod", path, true)
	if err != nil {
		return err
	}
	if root == nil {
		return os.Chmod(at, mode)
	}
	return whole("chmod", path, root.Chmod(at, mode))
}

// Remove removes a file or an empty folder.
func (r *Root) Remove(path string) error {
	root, at, err := r.at("remove", path, false)
	if err != nil {
		return err
	}
	if root == nil {
		return os.Remove(at)
	}
	return whole("remove", path, root.Remove(at))
}

// CreateTemp makes a new file of mode 0600 in a folder, with a name that begins
// with prefix, and returns it; its Name is the whole path.
func (r *Root) CreateTemp(folder, prefix string) (*os.File, string, error) {
	for {
		path := filepath.Join(folder, prefix+strconv.FormatUint(uint64(rand.Uint32()), 10))
		f, err := r.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		return f, path, err
	}
}

// Rename gives a file another name, replacing what has that name.
func (r *Root) Rename(from, to string) error {
	root, a, err := r.at("rename", from, false)
	if err != nil {
		return err
	}
	_, b, err := r.at("rename", to, false)
	if err != nil {
		return err
	}
	if root == nil {
		return os.Rename(a, b)
	}
	return linkError("rename", from, to, root.Rename(a, b))
}

// Link gives a file a second name; it fails with fs.ErrExist when that is taken.
func (r *Root) Link(from, to string) error {
	root, a, err := r.at("link", from, false)
	if err != nil {
		return err
	}
	_, b, err := r.at("link", to, false)
	if err != nil {
		return err
	}
	if root == nil {
		return os.Link(a, b)
	}
	return linkError("link", from, to, root.Link(a, b))
}

func linkError(op, from, to string, err error) error {
	if err == nil {
		return nil
	}
	return &os.LinkError{Op: op, Old: from, New: to, Err: plain(err)}
}
