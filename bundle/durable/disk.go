package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"officiant/bundle/tree"
)

// Op names an operation that changes the disk.
type Op string

// The operations a Gate is asked about.
const (
	OpCreate   Op = "create"
	OpWrite    Op = "write"
	OpChmod    Op = "chmod"
	OpChown    Op = "chown"
	OpSync     Op = "sync"
	OpRename   Op = "rename"
	OpRemove   Op = "remove"
	OpMkdir    Op = "mkdir"
	OpSyncDir  Op = "syncdir"
	OpTruncate Op = "truncate"
)

// ErrTorn, returned by a Gate for OpWrite, lets half of the bytes land and then
// fails the write.
var ErrTorn = errors.New("torn write")

const tempPrefix = ".officiant-tmp-"

// Disk does file operations. Its zero value is the real disk. It may be used
// from several goroutines if its Gate may.
type Disk struct {
	// Gate, when set, is asked before each operation; its error fails the
	// operation. path is the file's final name, also while the bytes still go
	// to a temporary one, so a replay sees the same paths.
	Gate func(op Op, path string) error

	root *tree.Root // nil: all of the machine
}

// In is the same disk, on which nothing outside of root is reached.
func (d *Disk) In(root *tree.Root) *Disk {
	if d == nil {
		return &Disk{root: root}
	}
	return &Disk{Gate: d.Gate, root: root}
}

// files is what operations go through.
func (d *Disk) files() *tree.Root {
	if d == nil {
		return nil
	}
	return d.root
}

// do asks the gate, then acts.
func (d *Disk) do(op Op, path string, act func() error) error {
	if d != nil && d.Gate != nil {
		if err := d.Gate(op, path); err != nil {
			return &fs.PathError{Op: string(op), Path: path, Err: err}
		}
	}
	return act()
}

// Create writes a new file of exactly this mode. When path exists it fails with
// fs.ErrExist and leaves the file as it is.
func (d *Disk) Create(path string, data []byte, mode fs.FileMode) error {
	return d.CreateFile(File{Path: path, Data: data, Mode: mode})
}

// CreateFile is Create, of a file that may be filled piece by piece.
func (d *Disk) CreateFile(file File) error {
	// Asked first so that a taken name costs nothing; the rename decides.
	if _, err := d.files().Lstat(file.Path); err == nil {
		return &fs.PathError{Op: string(OpCreate), Path: file.Path, Err: fs.ErrExist}
	}
	return d.place(file, d.RenameNoReplace)
}

// Replace writes a file of exactly this mode, and replaces whatever path was.
func (d *Disk) Replace(path string, data []byte, mode fs.FileMode) error {
	return d.ReplaceFile(File{Path: path, Data: data, Mode: mode})
}

// ReplaceFile is Replace, of a file that may be filled piece by piece.
func (d *Disk) ReplaceFile(file File) error { return d.place(file, d.Rename) }

func (d *Disk) place(file File, rename func(from, to string) error) error {
	temp, err := d.stage(file)
	if err != nil {
		return err
	}
	if err := rename(temp, file.Path); err != nil {
		return errors.Join(err, d.discard(temp, file.Path))
	}
	return d.SyncDir(filepath.Dir(file.Path))
}

// write is one gated write; a torn one leaves the first half of data.
func (d *Disk) write(f *os.File, path string, data []byte) error {
	err := d.do(OpWrite, path, func() error {
		_, err := f.Write(data)
		return err
	})
	if errors.Is(err, ErrTorn) {
		if _, werr := f.Write(data[:len(data)/2]); werr != nil {
			return errors.Join(err, werr)
		}
	}
	return err
}

// discard removes a temporary file after a failure. It is gated as well: after
// a crash that a test plays, nothing may be tidied up.
func (d *Disk) discard(temp, path string) error {
	err := d.do(OpRemove, path, func() error { return d.files().Remove(temp) })
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return fmt.Errorf("left behind %s: %w", temp, err)
}

// Rename gives a file another name, replacing what has that name. The folder
// is not synced.
func (d *Disk) Rename(from, to string) error {
	return d.do(OpRename, to, func() error { return d.files().Rename(from, to) })
}

// RenameNoReplace is Rename, but fails with fs.ErrExist when the name is taken.
func (d *Disk) RenameNoReplace(from, to string) error {
	return d.do(OpRename, to, func() error { return d.files().RenameNoReplace(from, to) })
}

// Exchange gives each of two files the other's name, in one step; it fails with
// tree.ErrNoExchange where the file system cannot. The folders are not synced.
func (d *Disk) Exchange(staged, path string) error {
	return d.do(OpRename, path, func() error { return d.files().Exchange(staged, path) })
}

// Chmod sets the mode of a file or folder.
func (d *Disk) Chmod(path string, mode fs.FileMode) error {
	return d.do(OpChmod, path, func() error { return d.files().Chmod(path, mode) })
}

// Chown gives a staged file another owner, and syncs it. path is its final name,
// for the gate.
func (d *Disk) Chown(staged, path string, uid, gid int) error {
	return d.do(OpChown, path, func() error {
		f, err := d.files().Open(staged)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := f.Chown(uid, gid); err != nil {
			return err
		}
		return f.Sync()
	})
}

// Remove removes a file or an empty folder. The folder above is not synced.
func (d *Disk) Remove(path string) error {
	return d.do(OpRemove, path, func() error { return d.files().Remove(path) })
}

// RemoveAll removes path and what is below it, one gated removal each. A missing
// path is not an error.
func (d *Disk) RemoveAll(path string) error {
	info, err := d.files().Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.IsDir() {
		entries, err := d.files().ReadDir(path)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if err := d.RemoveAll(filepath.Join(path, e.Name())); err != nil {
				return err
			}
		}
	}
	return d.Remove(path)
}

// SyncDir makes what was created, renamed and removed in a folder last.
func (d *Disk) SyncDir(dir string) error {
	return d.do(OpSyncDir, dir, func() error { return d.syncDir(dir) })
}

func (d *Disk) syncDir(dir string) error {
	f, err := d.files().Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	// Some file systems cannot sync a folder, and say so in these words.
	if err := f.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}

// MkdirAll makes a folder and the ones above it that are missing, all with
// exactly this mode, and syncs the parent of each it made. Folders that exist
// stay as they are.
func (d *Disk) MkdirAll(path string, mode fs.FileMode) error {
	path = filepath.Clean(path)
	info, err := d.files().Stat(path)
	if err == nil && !info.IsDir() {
		return &fs.PathError{Op: string(OpMkdir), Path: path, Err: syscall.ENOTDIR}
	}
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := filepath.Dir(path)
	if parent != path {
		if err := d.MkdirAll(parent, mode); err != nil {
			return err
		}
	}
	if err := d.mkdir(path, mode); err != nil {
		return err
	}
	return d.SyncDir(parent)
}

// tempFolder makes a folder of a name that is not taken, for a batch.
func (d *Disk) tempFolder(folder string) (string, error) {
	for {
		path := filepath.Join(folder, fmt.Sprintf("%s%016x", tempBatch, rand.Uint64()))
		if err := d.files().Mkdir(path, 0o700); !errors.Is(err, fs.ErrExist) {
			return path, err
		}
	}
}

func (d *Disk) mkdir(path string, mode fs.FileMode) error {
	return d.do(OpMkdir, path, func() error {
		err := d.files().Mkdir(path, mode)
		if errors.Is(err, fs.ErrExist) {
			return nil // another process was faster
		}
		if err != nil {
			return err
		}
		return d.files().Chmod(path, mode) // the umask does not count
	})
}

// IsTemp tells whether name, a base name or a path, is one of Stage's
// temporary names.
func IsTemp(name string) bool {
	return strings.HasPrefix(filepath.Base(name), tempPrefix)
}

// RemoveTemps removes the temporary files a killed process left in dir itself, and
// the folders of batches that were not committed, and returns their paths.
func (d *Disk) RemoveTemps(dir string) ([]string, error) {
	entries, err := d.files().ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var removed []string
	for _, e := range entries {
		batch := e.IsDir() && strings.HasPrefix(e.Name(), tempBatch)
		if !batch && (!IsTemp(e.Name()) || !e.Type().IsRegular()) {
			continue
		}
		path := filepath.Join(dir, e.Name())
		if err := d.RemoveAll(path); err != nil {
			return removed, err
		}
		removed = append(removed, path)
	}
	if removed == nil {
		return nil, nil
	}
	return removed, d.SyncDir(dir)
}

// TempName is a temporary name for which IsTemp is true, and which is always the
// same for one name.
func TempName(name string) string { return tempPrefix + name }
