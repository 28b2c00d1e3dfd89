package install

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"time"

	"officiant/bundle/fingerprint"
)

const (
	previousKind  = "PreviousTree"
	previousIndex = "tree.json"
	// maxPreviousFile is above installed.tar, the largest of them.
	maxPreviousFile = 128 << 20
)

// previousTree is tree.json in previous/tree.tar.
type previousTree struct {
	APIVersion string              `json:"apiVersion"`
	Kind       string              `json:"kind"`
	Files      []previousEntry     `json:"files"`
	Absent     []string            `json:"absent"` // were not there
	Bundle     *fingerprint.SHA256 `json:"bundle"` // SHA-256 of the SHA256SUMS it came from; null: no bundle was installed
	Sequence   int                 `json:"sequence"`
	Renames    []rename            `json:"renames,omitempty"` // what was put aside when the files came
}

type previousEntry struct {
	Path   string             `json:"path"`
	SHA256 fingerprint.SHA256 `json:"sha256"`
}

// pack renders files as they were as previous/tree.tar.
func pack(index previousTree, files []placed) ([]byte, error) {
	index.APIVersion, index.Kind = apiVersion, previousKind
	for _, f := range files {
		index.Files = append(index.Files, previousEntry{f.path, fingerprint.Of(f.data)})
	}
	head, err := document(index)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, f := range append([]placed{{path: previousIndex, data: head, mode: secretMode}}, files...) {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: f.path, Size: int64(len(f.data)), Mode: int64(f.mode.Perm()), ModTime: time.Unix(0, 0)}
		if f.owner != nil {
			h.Uid, h.Gid = f.owner.uid, f.owner.gid
		}
		if err := w.WriteHeader(h); err != nil {
			return nil, fmt.Errorf("%s: %w", f.path, err)
		}
		if _, err := w.Write(f.data); err != nil {
			return nil, fmt.Errorf("%s: %w", f.path, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// unpack reads what pack wrote, and nothing else.
func unpack(data []byte) (*previousTree, []placed, error) {
	var index *previousTree
	var files []placed
	r := tar.NewReader(bytes.NewReader(data))
	for {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, nil, fmt.Errorf("damaged archive: %w", err)
		}
		if h.Typeflag != tar.TypeReg {
			return nil, nil, fmt.Errorf("%q is not a file", h.Name)
		}
		if h.Size > maxPreviousFile {
			return nil, nil, fmt.Errorf("%q is larger than %d MiB", h.Name, maxPreviousFile>>20)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			return nil, nil, fmt.Errorf("damaged archive: %w", err)
		}
		if index == nil {
			index = &previousTree{}
			if h.Name != previousIndex {
				return nil, nil, fmt.Errorf("does not begin with %s", previousIndex)
			}
			if err := strict(content, index); err != nil {
				return nil, nil, fmt.Errorf("%s: %w", previousIndex, err)
			}
			continue
		}
		mode := fs.FileMode(h.Mode).Perm()
		files = append(files, placed{path: h.Name, data: content, mode: mode, owner: &owner{h.Uid, h.Gid}})
	}
	return index, files, index.holds(files)
}

// holds compares the files found with the index, path by path.
func (p *previousTree) holds(files []placed) error {
	if p == nil || p.APIVersion != apiVersion || p.Kind != previousKind {
		return fmt.Errorf("is not %s %s", apiVersion, previousKind)
	}
	if len(files) != len(p.Files) {
		return fmt.Errorf("holds %d files, its index lists %d", len(files), len(p.Files))
	}
	for i, e := range p.Files {
		if files[i].path != e.Path || fingerprint.Of(files[i].data) != e.SHA256 || !inBounds(e.Path) {
			return fmt.Errorf("file %q is not as its index says", e.Path)
		}
	}
	for _, r := range p.Renames {
		if !asideBounds(r.From) || !asideBounds(r.To) {
			return fmt.Errorf("its index names %q", r.From)
		}
	}
	for _, path := range p.Absent {
		if !inBounds(path) {
			return fmt.Errorf("its index names %q", path)
		}
	}
	return nil
}
