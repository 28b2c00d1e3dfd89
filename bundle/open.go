package bundle

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"officiant/bundle/fingerprint"
)

// Open reads a bundle, a directory or a tar, and checks it against its
// SHA256SUMS. What is wrong with the bundle comes as one or more *Refusal; other
// errors are the disk's. It checks no signature and no certificate.
func Open(path string) (*Bundle, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("bundle: %w", err)
	}
	if !info.IsDir() {
		return openTar(path, info)
	}
	files, err := readDir(path)
	if err != nil {
		return nil, err
	}
	return assemble(path, files)
}

func openTar(path string, info fs.FileInfo) (*Bundle, error) {
	if !info.Mode().IsRegular() {
		return nil, &Refusal{path, "", "is neither a folder nor a file"}
	}
	if info.Size() > maxBytes {
		return nil, &Refusal{path, "", fmt.Sprintf("larger than %d MiB", maxBytes>>20)}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("bundle: %w", err)
	}
	defer f.Close()
	data, err := readAll(f, info.Size())
	if err != nil {
		return nil, fmt.Errorf("bundle: %w", err)
	}
	return Parse(path, data)
}

// collector gathers a bundle's files and everything that is wrong with them.
type collector struct {
	bundle   string
	files    map[string][]byte
	names    spellings
	entries  int
	total    int64
	refusals []error
}

func (c *collector) refuse(file, reason string) {
	c.refusals = append(c.refusals, &Refusal{c.bundle, fmt.Sprintf("%.200s", file), reason})
}

func (c *collector) err() error { return errors.Join(c.refusals...) }

// add takes a file in; false means that reading on is pointless. What is refused
// counts, too: a small archive may hold one sparse file four thousand times.
func (c *collector) add(path string, content []byte) bool {
	if !c.room(path, int64(len(content))) {
		return false
	}
	if _, ok := c.files[path]; ok {
		c.refuse(path, "is there twice")
		return true
	}
	if err := c.names.add(path); err != nil {
		c.refuse(path, err.Error())
		return true
	}
	c.files[path] = content
	return true
}

// room counts what is read and refuses what is too much.
func (c *collector) room(path string, size int64) bool {
	if c.total += size; c.total > maxBytes {
		c.refuse(path, fmt.Sprintf("the bundle is larger than %d MiB", maxBytes>>20))
		return false
	}
	return true
}

// readDir reads the files of a bundle's directory and refuses everything that
// is neither a file nor a folder that holds one.
func readDir(dir string) (map[string][]byte, error) {
	c := &collector{bundle: dir, files: map[string][]byte{}, names: spellings{}}
	folders := map[string]bool{}
	// The person who names a bundle may do so through a link; inside it there is none.
	top, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return nil, fmt.Errorf("bundle: %w", err)
	}
	err = filepath.WalkDir(top, func(at string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(top, at)
		if err != nil || rel == "." {
			return err
		}
		path := filepath.ToSlash(rel)
		if c.entries++; c.entries > maxFiles {
			c.refuse("", fmt.Sprintf("more than %d entries", maxFiles))
			return fs.SkipAll
		}
		if err := plainPath(path); err != nil {
			c.refuse(path, err.Error())
			if e.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if e.IsDir() {
			folders[path] = true
			return nil
		}
		content, err := readFile(at)
		var odd oddFile
		if errors.As(err, &odd) {
			c.refuse(path, string(odd))
			return nil
		}
		if err != nil {
			return err
		}
		if !c.add(path, content) {
			return fs.SkipAll
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("bundle: %w", err)
	}
	c.emptyFolders(folders)
	return c.files, c.err()
}

// emptyFolders refuses folders that hold no file of the bundle.
func (c *collector) emptyFolders(folders map[string]bool) {
	for path := range c.files {
		for i, r := range path {
			if r == '/' {
				delete(folders, path[:i])
			}
		}
	}
	if len(c.refusals) > 0 {
		return // what they held was refused already
	}
	for folder := range folders {
		c.refuse(folder, "is a folder without a listed file")
	}
}

// oddFile is the reason why something on a disk is not read.
type oddFile string

func (o oddFile) Error() string { return string(o) }

// readFile reads one plain file. It looks before it opens, so that a device or
// a pipe is never touched, and looks again at what it opened.
func readFile(path string) ([]byte, error) {
	before, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if before.Mode()&fs.ModeSymlink != 0 {
		return nil, oddFile("is a symbolic link")
	}
	if !before.Mode().IsRegular() {
		return nil, oddFile("is not a file: " + before.Mode().Type().String())
	}
	if names := linkCount(before); names > 1 {
		return nil, oddFile(fmt.Sprintf("is a hard link: the file has %d names", names))
	}
	if before.Size() > maxBytes {
		return nil, oddFile(fmt.Sprintf("larger than %d MiB", maxBytes>>20))
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	after, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !os.SameFile(before, after) {
		return nil, oddFile("was replaced while it was read")
	}
	data, err := readAll(f, before.Size())
	if err != nil {
		return nil, err
	}
	if len(data) > maxBytes {
		return nil, oddFile(fmt.Sprintf("larger than %d MiB", maxBytes>>20))
	}
	return data, nil
}

// readAll reads up to a byte more than a bundle may have, in one piece when size
// is the file's.
func readAll(f *os.File, size int64) ([]byte, error) {
	data := bytes.NewBuffer(make([]byte, 0, size+bytes.MinRead))
	_, err := data.ReadFrom(io.LimitReader(f, maxBytes+1))
	return data.Bytes(), err
}

// assemble holds files against their SHA256SUMS.
func assemble(name string, files map[string][]byte) (*Bundle, error) {
	b := &Bundle{Files: files, Sums: files[SumsFile], Signature: files[SignatureFile]}
	if b.Sums == nil {
		return nil, &Refusal{name, SumsFile, "missing"}
	}
	c := &collector{bundle: name}
	switch n := len(b.Signature); {
	case files[SignatureFile] == nil:
		c.refuse(SignatureFile, "missing")
	case n == 0 || n > 1024:
		c.refuse(SignatureFile, fmt.Sprintf("holds %d bytes, which no signature has", n))
	}
	delete(files, SumsFile)
	delete(files, SignatureFile)
	header, list, err := parseSums(b.Sums)
	if err != nil {
		c.refuse(SumsFile, err.Error())
		return nil, c.err()
	}
	b.Header = header
	known := map[string]bool{}
	for _, l := range list {
		known[l.path] = true
		data, ok := files[l.path]
		if !ok {
			c.refuse(l.path, "listed in SHA256SUMS, but missing")
		} else if fingerprint.Of(data) != l.sum {
			c.refuse(l.path, "was changed: its SHA-256 is not the one in SHA256SUMS")
		}
	}
	for _, path := range b.order() {
		if path != SumsFile && path != SignatureFile && !known[path] {
			c.refuse(path, "not listed in SHA256SUMS")
		}
	}
	slices.SortStableFunc(c.refusals, byFile)
	return b, c.err()
}

func byFile(x, y error) int {
	var a, b *Refusal
	if !errors.As(x, &a) || !errors.As(y, &b) {
		return 0
	}
	switch {
	case a.File < b.File:
		return -1
	case a.File > b.File:
		return 1
	}
	return 0
}
