package request

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"
)

const (
	maxSize    = 1 << 20 // of a request file; a real one has some 30 KiB
	maxEntries = 128
)

// pack renders entries as the one tar there is of them.
func pack(entries map[string][]byte) ([]byte, error) {
	const block = 512
	size := 2 * block
	for _, content := range entries {
		size += block + (len(content)+block-1)/block*block
	}
	out := bytes.NewBuffer(make([]byte, 0, size))
	w := tar.NewWriter(out)
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		h := &tar.Header{
			Typeflag: tar.TypeReg, Name: name, Size: int64(len(entries[name])),
			Mode: 0o644, ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR,
		}
		if err := w.WriteHeader(h); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if _, err := w.Write(entries[name]); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// unpack reads what pack wrote, and refuses every other archive, also one of
// the same files.
func unpack(data []byte) (map[string][]byte, *Refusal) {
	if len(data) > maxSize {
		return nil, refusef("", "has %d bytes, more than %d", len(data), maxSize)
	}
	entries := map[string][]byte{}
	last := ""
	for r := tar.NewReader(bytes.NewReader(data)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, refusef("", "is not a request file: %v", err)
		}
		switch {
		case len(entries) == maxEntries:
			return nil, refusef("", "has more than %d entries", maxEntries)
		case !plainPath(h.Name):
			return nil, refusef("", "has an entry of the name %+.60q", h.Name)
		case h.Typeflag != tar.TypeReg:
			return nil, refusef(h.Name, "is not a regular file")
		case h.Size > maxSize: // a sparse entry may claim any size
			return nil, refusef(h.Name, "has more than %d bytes", maxSize)
		case h.Name == last:
			return nil, refusef(h.Name, "is there twice")
		case h.Name < last:
			return nil, refusef(h.Name, "comes after %s; entries are sorted", last)
		}
		content := bytes.NewBuffer(make([]byte, 0, min(int(h.Size), len(data))+bytes.MinRead)) // in one piece
		if _, err := content.ReadFrom(io.LimitReader(r, maxSize)); err != nil {
			return nil, refusef(h.Name, "cannot be read: %v", err)
		}
		entries[h.Name], last = content.Bytes(), h.Name
	}
	if len(entries) == 0 {
		return nil, refusef("", "is not a request file: no entries")
	}
	again, err := pack(entries)
	if err != nil || !bytes.Equal(again, data) {
		return nil, refusef("", "is not packed as officiant-node packs it; send the file as it was written")
	}
	return entries, nil
}

// plainPath accepts the names entries can have; they are shown to people.
func plainPath(s string) bool {
	if s == "" || len(s) > 100 {
		return false
	}
	for i, c := range []byte(s) {
		letter := c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
		if !letter && (i == 0 || c != '.' && c != '-' && c != '/' || s[i-1] == '/' || s[i-1] == '.') {
			return false
		}
	}
	return s[len(s)-1] != '/'
}
