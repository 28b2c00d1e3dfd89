package plan

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
)

const (
	maxPlan  = 64 << 20
	maxInput = 2 << 20   // of all but a transcript; each is read into memory
	maxChain = 512 << 20 // a transcript of 100,000 certificates
)

const maxPath = 240 // below what a stick with FAT can hold

// reserved are the names a ceremony directory uses itself.
var reserved = []string{
	"plan.yaml", "schedule.txt", "approvals", "transcript.jsonl", "transcript.sig", "witnesses",
	"release.pub", "authorities", "bundles", "report.html", "secrets",
}

// element is one name of a path. It needs no quotes in a shell, and sha256sum
// writes it as it is.
var element = regexp.MustCompile(`^[A-Za-z0-9_@+][A-Za-z0-9._@+=,-]*$`)

// CheckInputPath says why a path cannot be an input's: it has to lie below the
// plan's folder, in plain characters, at no name a ceremony directory uses.
func CheckInputPath(p string) error {
	switch {
	case p == "":
		return errors.New("the path is empty")
	case len(p) > maxPath:
		return fmt.Errorf("the path has more than %d characters", maxPath)
	case strings.HasPrefix(p, "/"):
		return fmt.Errorf("%q is an absolute path; inputs lie below the plan's folder", p)
	case strings.Contains(p, `\`):
		return fmt.Errorf(`%q: write "/" between folders`, p)
	case slices.Contains(strings.Split(p, "/"), ".."):
		return fmt.Errorf(`%q: "..": inputs lie below the plan's folder`, p)
	case path.Clean(p) != p:
		return fmt.Errorf("%q: write %s", p, path.Clean(p))
	}
	for _, e := range strings.Split(p, "/") {
		if !element.MatchString(e) {
			return fmt.Errorf("%q: names are of letters, digits and ._@+=,- and begin with a letter, a digit or _@+", p)
		}
	}
	first, _, _ := strings.Cut(strings.ToLower(p), "/")
	if slices.Contains(reserved, first) {
		return fmt.Errorf("%q: %s belongs to the ceremony directory itself", p, first)
	}
	return nil
}

// input reads an input file the plan names at a place, once. It returns nil
// when it cannot be had, and has then said why.
func (b *builder) input(name string, where at) []byte { return b.inputUpTo(maxInput, name, where) }

func (b *builder) inputUpTo(limit int64, name string, where at) []byte {
	if err := CheckInputPath(name); err != nil {
		b.refuse(where, "%v", err)
		return nil
	}
	if data, ok := b.c.Inputs[name]; ok {
		return data
	}
	if other, ok := b.folded[strings.ToLower(name)]; ok && other != name {
		b.refuse(where, "%q and %q differ in case only, which not every file system can tell apart", name, other)
		return nil
	}
	b.folded[strings.ToLower(name)] = name
	data, err := readFile(b.fsys, name, limit)
	if err != nil {
		b.refuse(where, "%v", err)
		return nil
	}
	b.c.Inputs[name] = data
	return data
}

// readFile reads a regular file of limited size.
func readFile(fsys fs.FS, name string, limit int64) ([]byte, error) {
	// Opening a pipe would wait for who writes to it.
	if info, err := fs.Stat(fsys, name); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", name)
	}
	f, err := fsys.Open(name)
	if err != nil {
		var pe *fs.PathError
		if errors.As(err, &pe) {
			err = pe.Err
		}
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	switch {
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s: not a regular file", name)
	case info.Size() > limit:
		return nil, fmt.Errorf("%s: larger than %d MiB", name, limit>>20)
	}
	data := make([]byte, 0, info.Size()+1)
	for {
		n, err := f.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		switch {
		case err == io.EOF:
			return data, nil
		case err != nil:
			return nil, fmt.Errorf("%s: %w", name, err)
		case int64(len(data)) > limit:
			return nil, fmt.Errorf("%s: larger than %d MiB", name, limit>>20)
		case len(data) == cap(data):
			data = slices.Grow(data, 64<<10)
		}
	}
}
