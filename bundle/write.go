package bundle

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"officiant/bundle/durable"
)

// WriteDir writes the bundle as directory dir; SHA256SUMS.sig comes last, so a
// directory that has it is whole. Files that are there with the same content
// stay; others are never overwritten. The same call finishes an interrupted one.
func (b *Bundle) WriteDir(d *durable.Disk, dir string) error {
	if len(b.Signature) == 0 {
		return fmt.Errorf("bundle of %s has no signature", b.Node)
	}
	var folders []string
	for _, path := range b.order() {
		folder := filepath.Join(dir, filepath.Dir(filepath.FromSlash(path)))
		if slices.Contains(folders, folder) {
			continue
		}
		folders = append(folders, folder)
		if err := d.MkdirAll(folder, 0o755); err != nil {
			return fmt.Errorf("bundle of %s: %w", b.Node, err)
		}
		if _, err := d.RemoveTemps(folder); err != nil {
			return fmt.Errorf("bundle of %s: %w", b.Node, err)
		}
	}
	for _, path := range b.order() {
		at := filepath.Join(dir, filepath.FromSlash(path))
		if path == SignatureFile {
			// Everything the signature speaks of has to be on the disk before it.
			for _, folder := range folders {
				if err := d.SyncDir(folder); err != nil {
					return fmt.Errorf("bundle of %s: %w", b.Node, err)
				}
			}
		}
		if err := place(d, at, b.content(path)); err != nil {
			return fmt.Errorf("bundle of %s: %w", b.Node, err)
		}
	}
	if err := d.SyncDir(dir); err != nil {
		return fmt.Errorf("bundle of %s: %w", b.Node, err)
	}
	return nil
}

// WriteBatch writes the bundle, as the directory dir and as the archive tar, into a
// batch whose folder holds neither: names are paths below it.
func (b *Bundle) WriteBatch(into *durable.Batch, dir, tar string) error {
	data, err := b.Tar()
	if err != nil {
		return err
	}
	err = into.Write(tar, data, fileMode)
	for _, path := range b.order() {
		if err == nil {
			err = into.Write(filepath.Join(dir, filepath.FromSlash(path)), b.content(path), fileMode)
		}
	}
	if err != nil {
		return fmt.Errorf("bundle of %s: %w", b.Node, err)
	}
	return nil
}

// place writes one file whole; its folder is synced later, once for all of them.
func place(d *durable.Disk, at string, data []byte) error {
	there, err := os.ReadFile(at)
	if err == nil {
		return same(at, there, data)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	staged, err := d.Stage(at, data, fileMode)
	if err != nil {
		return err
	}
	return d.RenameNoReplace(staged, at)
}

func same(at string, there, data []byte) error {
	if bytes.Equal(there, data) {
		return nil
	}
	return fmt.Errorf("%s is there with another content: %w", at, fs.ErrExist)
}

// WriteTar writes the bundle as one file. A file that is there with the same
// content stays; another is never overwritten.
func (b *Bundle) WriteTar(d *durable.Disk, path string) error {
	data, err := b.Tar()
	if err != nil {
		return err
	}
	err = d.Create(path, data, fileMode)
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	there, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("bundle of %s: %w", b.Node, err)
	}
	return same(path, there, data)
}
