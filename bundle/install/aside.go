package install

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"officiant/bundle/kubelet"
)

// rename gives a file that is not ours another name beside its place, and back.
type rename struct {
	From string `json:"from"` // below the root
	To   string `json:"to"`
	// Nothing had the new name before: when something has it, it is done. Else it is
	// done when nothing has the old name.
	Fresh bool `json:"fresh"`
}

// asideNames are those a kubelet's certificate gets while a bundle's is used.
const (
	beforeSuffix     = ".before-"      // and the sequence of the bundle that was installed
	rolledBackSuffix = ".rolled-back-" // and the sequence of the bundle that was in place
)

// putAside plans to move away what a kubelet would prefer to the kubelet.conf that is
// to come.
func (u kubeletUse) putAside(suffix string, sequence int) ([]rename, error) {
	var list []rename
	for _, path := range kubelet.Preferred {
		if _, err := u.files.Lstat(u.at(path)); errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return nil, err
		}
		to := fmt.Sprintf("%s%s%d", path, suffix, sequence)
		for i := 2; ; i++ {
			if _, err := u.files.Lstat(u.at(to)); errors.Is(err, fs.ErrNotExist) {
				break
			} else if err != nil {
				return nil, err
			}
			to = fmt.Sprintf("%s%s%d.%d", path, suffix, sequence, i)
		}
		list = append(list, rename{path, to, true})
	}
	return list, nil
}

// putBack plans to bring back what was put aside, and to move away what has come in
// its place meanwhile.
func (u kubeletUse) putBack(aside []rename, sequence int) ([]rename, error) {
	if len(aside) == 0 {
		return nil, nil
	}
	list, err := u.putAside(rolledBackSuffix, sequence)
	if err != nil {
		return nil, err
	}
	for _, r := range slices.Backward(aside) {
		if _, err := u.files.Lstat(u.at(r.To)); errors.Is(err, fs.ErrNotExist) {
			continue // somebody has taken it away
		} else if err != nil {
			return nil, err
		}
		list = append(list, rename{r.To, r.From, false})
	}
	return list, nil
}

// asideBounds says whether a path is one of those a kubelet's certificate has.
func asideBounds(path string) bool {
	return fs.ValidPath(path) && slices.ContainsFunc(kubelet.Preferred, func(p string) bool {
		rest, ok := strings.CutPrefix(path, p)
		return ok && !strings.Contains(rest, "/")
	})
}
