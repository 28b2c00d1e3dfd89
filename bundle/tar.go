package bundle

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

const fileMode = 0o644

// Tar renders the bundle as a deterministic archive.
func (b *Bundle) Tar() ([]byte, error) { return b.AppendTar(nil) }

// AppendTar is Tar, at the end of a slice that may have room for it.
func (b *Bundle) AppendTar(to []byte) ([]byte, error) {
	if len(b.Signature) == 0 {
		return nil, fmt.Errorf("bundle of %s has no signature", b.Node)
	}
	paths := b.order()
	out := bytes.NewBuffer(slices.Grow(to, b.tarSize(paths)))
	w := tar.NewWriter(out)
	for _, path := range paths {
		data := b.content(path)
		h := &tar.Header{
			Typeflag: tar.TypeReg, Name: b.Node + "/" + path, Size: int64(len(data)),
			Mode: fileMode, ModTime: time.Unix(0, 0),
		}
		err := w.WriteHeader(h)
		if err == nil {
			_, err = w.Write(data)
		}
		if err != nil {
			return nil, fmt.Errorf("bundle of %s: %s: %w", b.Node, path, err)
		}
	}
	err := w.Close()
	return out.Bytes(), err
}

// tarSize is the archive's, where no name takes a header of its own.
func (b *Bundle) tarSize(paths []string) int {
	const block = 512
	size := 2 * block
	for _, path := range paths {
		size += block + (len(b.content(path))+block-1)/block*block
	}
	return size
}

// order lists every file: sorted, then SHA256SUMS, then its signature.
func (b *Bundle) order() []string {
	return append(slices.Sorted(maps.Keys(b.Files)), SumsFile, SignatureFile)
}

func (b *Bundle) content(path string) []byte {
	switch path {
	case SumsFile:
		return b.Sums
	case SignatureFile:
		return b.Signature
	}
	return b.Files[path]
}

// Parse reads a bundle's tar. name is its name in errors.
func Parse(name string, data []byte) (*Bundle, error) {
	if len(data) > maxBytes {
		return nil, &Refusal{name, "", fmt.Sprintf("larger than %d MiB", maxBytes>>20)}
	}
	node, files, err := readTar(name, data)
	if err != nil {
		return nil, err
	}
	b, err := assemble(name, files)
	if err != nil {
		return nil, err
	}
	if node != b.Node {
		return nil, &Refusal{name, SumsFile, fmt.Sprintf("the archive's folder is %s, the header's node is %s", node, b.Node)}
	}
	// Other archivers may read another form of the same files differently, so
	// there is only one.
	want, err := b.Tar()
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(want, data) {
		return nil, &Refusal{name, "", fmt.Sprintf("not the archive Officiant writes: differs at byte %d", firstDifference(want, data))}
	}
	return b, nil
}

func firstDifference(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// requestFile is in the archive of a node's request, and in no bundle.
const requestFile = "request.json"

// readTar reads regular files below one folder and returns the folder's name.
func readTar(name string, data []byte) (node string, files map[string][]byte, err error) {
	c := &collector{bundle: name, files: map[string][]byte{}, names: spellings{}}
	r := tar.NewReader(bytes.NewReader(data))
	for {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			// A name that leaves the folder is reported with the header that has it.
			if h == nil || !errors.Is(err, tar.ErrInsecurePath) {
				c.refuse("", "damaged archive: "+err.Error())
				return "", nil, c.err()
			}
		}
		if c.entries++; c.entries > maxFiles {
			return "", nil, &Refusal{name, "", fmt.Sprintf("more than %d entries", maxFiles)}
		}
		if what := notRegular(h.Typeflag); what != "" {
			c.refuse(h.Name, what)
			continue
		}
		if err := plainPath(h.Name); err != nil {
			c.refuse(h.Name, err.Error())
			continue
		}
		folder, path, ok := strings.Cut(h.Name, "/")
		if h.Name == requestFile {
			return "", nil, &Refusal{name, "", "is a node's request, not a bundle"}
		}
		if !ok || node != "" && folder != node {
			c.refuse(h.Name, "not below the node's folder")
			continue
		}
		node = folder
		// Before anything is read: a sparse file of any size takes a few bytes.
		if h.Size < 0 || h.Size > maxBytes-c.total {
			return "", nil, &Refusal{name, path, fmt.Sprintf("larger than %d MiB", maxBytes>>20)}
		}
		if what := extended(h); what != "" {
			c.refuse(path, what)
			continue
		}
		content, err := io.ReadAll(io.LimitReader(r, maxBytes+1))
		if err != nil {
			return "", nil, &Refusal{name, path, "damaged archive: " + err.Error()}
		}
		if !c.add(path, content) {
			break
		}
	}
	return node, c.files, c.err()
}

// extended names a header that says more than a name: sizes, holes, owners that
// other archivers may take otherwise.
func extended(h *tar.Header) string {
	for key := range h.PAXRecords {
		if key != "path" {
			return fmt.Sprintf("has the pax record %.40q", key)
		}
	}
	if h.Format == tar.FormatGNU {
		return "has a header of GNU's own form"
	}
	return ""
}

// notRegular names a tar entry that is not a plain file.
func notRegular(flag byte) string {
	switch flag {
	case tar.TypeReg:
		return ""
	case tar.TypeLink:
		return "is a hard link"
	case tar.TypeSymlink:
		return "is a symbolic link"
	case tar.TypeDir:
		return "is a folder of its own; the archive holds only files"
	case tar.TypeChar, tar.TypeBlock:
		return "is a device"
	case tar.TypeFifo:
		return "is a named pipe"
	case tar.TypeGNUSparse:
		return "is a sparse file"
	case tar.TypeXGlobalHeader:
		return "is a pax header for all that follow"
	}
	return fmt.Sprintf("is an entry of type %q", flag)
}
