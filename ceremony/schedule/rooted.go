package schedule

import (
	"io/fs"
	"os"
)

// rooted is a folder as a file system. It does not follow links that lead out of it, and
// holds no descriptor once it is released: a plan may be kept longer than its stick.
type rooted struct {
	folder string
	root   *os.Root // nil once released
}

func newRooted(folder string) (*rooted, error) {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, err
	}
	return &rooted{folder, root}, nil
}

// release closes the folder; it is opened anew for each file from then on.
func (r *rooted) release() {
	r.root.Close() // nothing was written
	r.root = nil
}

func (r *rooted) Open(name string) (f fs.File, err error) {
	err = r.with(func(in fs.FS) error {
		f, err = in.Open(name)
		return err
	})
	return f, err
}

func (r *rooted) Stat(name string) (info fs.FileInfo, err error) {
	err = r.with(func(in fs.FS) error {
		info, err = fs.Stat(in, name)
		return err
	})
	return info, err
}

func (r *rooted) with(do func(fs.FS) error) error {
	if r.root != nil {
		return do(r.root.FS())
	}
	root, err := os.OpenRoot(r.folder)
	if err != nil {
		return err
	}
	defer root.Close()
	return do(root.FS())
}
