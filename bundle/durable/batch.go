package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
)

// ErrNoBatch says that the file system does not take a batch: one flush of all that
// was written to it would not do, or would not tell what failed.
var ErrNoBatch = errors.New("each file has to be synced by itself here")

// Batch is many files that come into a folder together. They are written to a new
// folder within it and not synced one by one: Commit has the file system flush all
// of them at once, and gives them their names then. It is for what can be made
// again: until Commit returns, a kill or a power cut leaves any number of the
// entries, each of them whole, and what RemoveTemps takes away.
//
// Write may be called by several goroutines.
type Batch struct {
	disk   *Disk
	folder string
	temp   string
	probe  *os.File // of the folder, opened before the first write: it reports errors since then

	mu    sync.Mutex
	made  map[string]bool // folders below temp
	names []string        // what will have a name in folder
}

// tempBatch begins the names of folders that batches are written to.
const tempBatch = tempPrefix + "batch-"

// Batch begins a batch. The error is ErrNoBatch on file systems where files have to be
// synced one by one: FAT, FUSE, network and unknown ones.
func (d *Disk) Batch(folder string) (*Batch, error) {
	probe, err := d.files().Open(folder)
	if err != nil {
		return nil, err
	}
	if !flushes(probe) {
		return nil, errors.Join(ErrNoBatch, probe.Close())
	}
	b := &Batch{disk: d, folder: folder, probe: probe, made: map[string]bool{}}
	err = d.do(OpMkdir, folder, func() error {
		temp, err := d.tempFolder(folder)
		b.temp = temp
		return err
	})
	if err != nil {
		return nil, errors.Join(err, probe.Close())
	}
	return b, nil
}

// Write writes a file of the batch, which must not exist. name is its path below the
// folder, with the system's separators; folders above it are made.
func (b *Batch) Write(name string, data []byte, mode fs.FileMode) error {
	if err := b.folders(name); err != nil {
		return err
	}
	path := filepath.Join(b.folder, name) // as it will be, for the gate
	var f *os.File
	err := b.disk.do(OpCreate, path, func() (err error) {
		f, err = b.disk.files().OpenFile(filepath.Join(b.temp, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		return err
	})
	if err != nil {
		return err
	}
	return errors.Join(b.disk.fill(f, File{Path: path, Data: data, Mode: mode}), f.Close())
}

// folders makes the folders above a file, and remembers what it is part of.
func (b *Batch) folders(name string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	var above []string
	for dir := name; ; dir = filepath.Dir(dir) {
		if up := filepath.Dir(dir); up == "." || up == string(filepath.Separator) {
			if !slices.Contains(b.names, dir) {
				b.names = append(b.names, dir)
			}
			break
		}
		above = append(above, filepath.Dir(dir))
	}
	slices.Reverse(above)
	for _, dir := range above {
		if b.made[dir] {
			continue
		}
		at := filepath.Join(b.temp, dir)
		err := b.disk.do(OpMkdir, filepath.Join(b.folder, dir), func() error {
			if err := b.disk.files().Mkdir(at, 0o755); err != nil {
				return err
			}
			return b.disk.files().Chmod(at, 0o755) // the umask does not count
		})
		if err != nil {
			return err
		}
		b.made[dir] = true
	}
	return nil
}

// Commit makes everything last and gives it its name: an entry of the folder that is
// there already fails it, with fs.ErrExist, and stays.
func (b *Batch) Commit() error {
	d := b.disk
	err := d.do(OpSync, b.folder, func() error { return flush(b.probe) })
	for _, name := range b.names {
		if err == nil {
			err = d.RenameNoReplace(filepath.Join(b.temp, name), filepath.Join(b.folder, name))
		}
	}
	if err == nil {
		err = d.Remove(b.temp)
	}
	if err == nil {
		err = d.SyncDir(b.folder)
	}
	return errors.Join(err, b.probe.Close())
}

// Abandon removes what was written of a batch that is not committed.
func (b *Batch) Abandon() error { return errors.Join(b.probe.Close(), b.disk.RemoveAll(b.temp)) }
