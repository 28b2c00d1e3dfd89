package bundle

import (
	"fmt"
	"strings"
)

// Limits of a bundle; a real one has some 25 files and 40 KiB.
const (
	maxFiles = 4096
	maxBytes = 64 << 20
	maxPath  = 512
)

// plainName refuses names that could not be a node's, a cluster's or a folder's.
func plainName(name string) error {
	if len(name) > 253 {
		return fmt.Errorf("%.40q… is longer than 253 characters", name)
	}
	return plainPart(name)
}

// plainPath refuses paths that could leave the bundle or mean something to a shell.
func plainPath(path string) error {
	if path == "" || len(path) > maxPath {
		return fmt.Errorf("path of %d bytes", len(path))
	}
	if strings.HasPrefix(path, "/") {
		return fmt.Errorf("path %.60q is absolute", path)
	}
	for part := range strings.SplitSeq(path, "/") {
		if part == "." || part == ".." || part == "" {
			return fmt.Errorf("path %.60q has a part %q", path, part)
		}
		if err := plainPart(part); err != nil {
			return fmt.Errorf("path %.60q: %w", path, err)
		}
	}
	return nil
}

func plainPart(s string) error {
	if s == "" {
		return fmt.Errorf("empty name")
	}
	for i, r := range s {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_'
		if !letter && (i == 0 || r != '.' && r != '-') {
			return fmt.Errorf("character %q in name %.60q", r, s)
		}
	}
	return nil
}

// spellings finds paths, and folders of paths, that differ in case alone: on a
// stick with FAT the second would take the first one's place.
type spellings map[string]string

func (s spellings) add(path string) error {
	for i := 0; i <= len(path); i++ {
		if i < len(path) && path[i] != '/' {
			continue
		}
		prefix := path[:i]
		lower := strings.ToLower(prefix)
		if other, ok := s[lower]; ok && other != prefix {
			return fmt.Errorf("differs from %s in case alone", other)
		}
		s[lower] = prefix
	}
	return nil
}
