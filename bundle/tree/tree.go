package tree

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
)

// maxLinks is how many links a path may lead through, as on Linux.
const maxLinks = 40

// Outside says that a path leads out of the folder.
type Outside struct {
	Folder string // the folder
	Path   string // the link, below it
	Target string // where it leads
	Absent bool   // nothing in the folder has the target's name
}

func (o *Outside) Error() string {
	if o.Absent {
		return fmt.Sprintf("%s leads out of %s, to %s, and nothing below it has that name", o.Path, o.Folder, o.Target)
	}
	return fmt.Sprintf("%s leads out of %s, to %s", o.Path, o.Folder, o.Target)
}

// errDangling is about a link whose target is not there: making it would make what
// the link names.
var errDangling = errors.New("is a link to nothing")

// Dangling says whether an error is about a link to nothing.
func Dangling(err error) bool { return errors.Is(err, errDangling) }

// Root is a folder and what is below it. A nil Root is all of the machine. It may
// be used from several goroutines.
type Root struct {
	name string

	mu   sync.Mutex
	root *os.Root
	real string // name without links
	all  bool   // it is "/"
}

// At names the folder; nothing is opened or made yet.
func At(name string) *Root { return &Root{name: filepath.Clean(name)} }

// open opens the folder once; one that is not there yet is looked for again. It
// returns nil without error for all of the machine.
func (r *Root) open() (*os.Root, error) {
	if r == nil {
		return nil, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all || r.root != nil {
		return r.root, nil
	}
	real, err := filepath.EvalSymlinks(r.name)
	if err == nil {
		real, err = filepath.Abs(real)
	}
	if err != nil {
		return nil, err
	}
	if real == filepath.Dir(real) {
		r.all = true
		return nil, nil
	}
	if r.root, err = os.OpenRoot(real); err != nil {
		return nil, err
	}
	r.real = real
	return r.root, nil
}

// at resolves a path: to the opened folder and a path below it that has no links
// in it, but for the last name unless follow is set. Without a folder the path is
// the operating system's.
func (r *Root) at(op, path string, follow bool) (*os.Root, string, error) {
	if r == nil {
		return nil, path, nil
	}
	rel, err := filepath.Rel(r.name, path)
	if err != nil {
		return nil, "", &fs.PathError{Op: op, Path: path, Err: err}
	}
	if rel == "." || filepath.Clean(path) == path && r.above(path) {
		return nil, path, nil // the folder itself is where its user says it is
	}
	root, err := r.open()
	if err != nil {
		return nil, "", err
	}
	if root == nil {
		return nil, path, nil
	}
	if !filepath.IsLocal(rel) {
		return nil, "", &fs.PathError{Op: op, Path: path, Err: &Outside{Folder: r.name, Path: rel, Target: path}}
	}
	at, err := r.resolve(root, rel, follow)
	if err != nil {
		return nil, "", &fs.PathError{Op: op, Path: path, Err: err}
	}
	return root, at, nil
}

// above says whether the folder lies below path.
func (r *Root) above(path string) bool {
	rel, err := filepath.Rel(path, r.name)
	return err == nil && filepath.IsLocal(rel)
}

// resolve replaces the links on the way, one by one. What is exchanged after it
// looked, os.Root resolves once more, and refuses when it leads out.
func (r *Root) resolve(root *os.Root, rel string, follow bool) (string, error) {
	w := &walk{Root: r, root: root, done: ".", todo: strings.Split(filepath.ToSlash(rel), "/")}
	for len(w.todo) > 0 {
		if err := w.step(follow); err != nil {
			return "", err
		}
	}
	return w.done, nil
}

// walk is a path on its way through links.
type walk struct {
	*Root
	root  *os.Root
	done  string   // looked at: no link in it
	todo  []string // names still to come
	links int
	link  string // the last one followed
	rest  int    // how many names of todo come after its target
	gone  bool   // done is not there
}

// step takes one name over from todo to done.
func (w *walk) step(follow bool) error {
	name := w.todo[0]
	w.todo = w.todo[1:]
	switch name {
	case "", ".":
		return nil
	case "..":
		if w.done == "." {
			return &Outside{Folder: w.name, Path: w.link, Target: "a folder above it"}
		}
		w.done = filepath.Dir(w.done)
		return nil
	}
	at := filepath.Join(w.done, name)
	if w.gone || len(w.todo) == 0 && !follow {
		w.done = at
		return nil
	}
	info, err := w.root.Lstat(at)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if w.link != "" && len(w.todo) >= w.rest {
			return fmt.Errorf("%s %w", w.link, errDangling)
		}
		w.done, w.gone = at, true
		return nil
	case err != nil:
		return plain(err)
	case info.Mode()&fs.ModeSymlink == 0:
		w.done = at
		return nil
	}
	return w.follow(at)
}

// follow puts what a link names in front of todo.
func (w *walk) follow(at string) error {
	if w.links++; w.links > maxLinks {
		return syscall.ELOOP
	}
	target, err := w.root.Readlink(at)
	if err != nil {
		return plain(err)
	}
	w.link, w.rest = at, len(w.todo)
	if filepath.IsAbs(target) {
		if target, err = w.inside(w.root, at, target); err != nil {
			return err
		}
		w.done = "."
	}
	w.todo = append(strings.Split(filepath.ToSlash(target), "/"), w.todo...)
	return nil
}

// inside says where below the folder a link leads that begins with "/": to what has
// that name there, or to what it names on this machine when that is in the folder.
func (r *Root) inside(root *os.Root, link, target string) (string, error) {
	for _, top := range []string{r.real, r.name} {
		if rel, err := filepath.Rel(top, target); err == nil && filepath.IsLocal(rel) {
			return rel, nil
		}
	}
	below := strings.TrimPrefix(filepath.Clean(target), "/")
	if below == "" {
		return ".", nil
	}
	if _, err := root.Lstat(below); err != nil {
		return "", &Outside{Folder: r.name, Path: link, Target: target, Absent: true}
	}
	return below, nil
}

// Folder checks whether a folder, or as much of its path as exists, is below the root. A
// missing folder is not an error; a link to nothing is.
func (r *Root) Folder(path string) error {
	root, at, err := r.at("open", path, true)
	if err != nil {
		return err
	}
	if root == nil {
		return nil
	}
	for part := at; part != "."; part = filepath.Dir(part) {
		info, err := root.Stat(part)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil && !info.IsDir() {
			err = syscall.ENOTDIR
		}
		if err != nil {
			return &fs.PathError{Op: "open", Path: path, Err: plain(err)}
		}
		return nil
	}
	return nil
}

// plain is the error without the path below the root, which the caller names whole.
func plain(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	var l *os.LinkError
	if errors.As(err, &l) {
		return l.Err
	}
	return err
}

// whole gives an error the path it is about.
func whole(op, path string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: path, Err: plain(err)}
}
