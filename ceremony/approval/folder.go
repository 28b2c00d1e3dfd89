package approval

import (
	"errors"
	"io/fs"
	"path"
)

// maxFile is above what an SSH signature has, in bytes.
const maxFile = 64 << 10

// ReadFolder reads the signatures in a folder, by the names of their files; none if
// there is no such folder. It skips what is not a regular file, files larger than a
// signature, and files that are not named NAME.sig.
func ReadFolder(files fs.FS, folder string) (map[string][]byte, error) {
	entries, err := fs.ReadDir(files, folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	signatures := map[string][]byte{}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() || info.Size() > maxFile || path.Ext(e.Name()) != Suffix {
			continue
		}
		if signatures[e.Name()], err = fs.ReadFile(files, path.Join(folder, e.Name())); err != nil {
			return nil, err
		}
	}
	return signatures, nil
}
