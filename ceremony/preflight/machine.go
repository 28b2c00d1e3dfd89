package preflight

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Machine is where facts of a machine are read.
type Machine struct {
	Root      fs.FS                             // "/"; proc and sys are read
	Now       func() time.Time                  // in local time
	CoreLimit func() (soft uint64, err error)   // RLIMIT_CORE of this process
	Volume    func(dir string) (Volume, error)  // that dir, or its nearest parent, lies on
	User      func() (id int)                   // effective user id
	Resolve   func(path string) (string, error) // without links; of the nearest parent there is
}

// Volume is a file system's room.
type Volume struct {
	Free          uint64 // bytes for this user
	Inodes, Total uint64 // free inodes of how many; both 0 where they are not counted
}

// This is the machine the program runs on.
func This(now func() time.Time) Machine {
	return Machine{
		Root: os.DirFS("/"), Now: func() time.Time { return now().Local() }, User: os.Geteuid, Resolve: resolve, Volume: volume,
		CoreLimit: func() (uint64, error) {
			var l unix.Rlimit
			err := unix.Getrlimit(unix.RLIMIT_CORE, &l)
			return uint64(l.Cur), err
		},
	}
}

func volume(dir string) (Volume, error) {
	path, err := resolve(dir)
	if err != nil {
		return Volume{}, err
	}
	var s unix.Statfs_t
	if err := unix.Statfs(path, &s); err != nil {
		return Volume{}, &os.PathError{Op: "statfs", Path: path, Err: err}
	}
	return Volume{Free: uint64(s.Bavail) * uint64(s.Bsize), Inodes: uint64(s.Ffree), Total: uint64(s.Files)}, nil
}

// resolve follows links. What does not exist yet will lie where its parent does.
func resolve(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	for {
		found, err := filepath.EvalSymlinks(path)
		if err == nil || !errors.Is(err, fs.ErrNotExist) || path == filepath.Dir(path) {
			return found, err
		}
		path = filepath.Dir(path)
	}
}

// text reads a small file, without the white space around.
func (m Machine) text(path string) (string, error) {
	data, err := fs.ReadFile(m.Root, path)
	return strings.TrimSpace(string(data)), err
}

// folder lists a folder; one that is not there is empty.
func (m Machine) folder(path string) ([]string, error) {
	entries, err := fs.ReadDir(m.Root, path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, nil
}

// exists says whether a path is there.
func (m Machine) exists(path string) bool {
	_, err := fs.Stat(m.Root, path)
	return err == nil
}

// unreadable is the answer of a check whose fact cannot be had.
func unreadable(err error) (seen, wrong string) { return "not known", err.Error() }
