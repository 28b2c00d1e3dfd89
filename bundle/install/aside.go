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
func (n *Node) putAside(suffix string, sequence int) ([]rename, error) {
	var list []rename
	for _, path := range kubelet.Preferred {
		if _, err := n.files().Lstat(n.at(path)); errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return nil, err
		}
		to := fmt.Sprintf("%s%s%d", path, suffix, sequence)
		for i := 2; ; i++ {
			if _, err := n.files().Lstat(n.at(to)); errors.Is(err, fs.ErrNotExist) {
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
func (n *Node) putBack(aside []rename, sequence int) ([]rename, error) {
	if len(aside) == 0 {
		return nil, nil
	}
	list, err := n.putAside(rolledBackSuffix, sequence)
	if err != nil {
		return nil, err
	}
	for _, r := range slices.Backward(aside) {
		if _, err := n.files().Lstat(n.at(r.To)); errors.Is(err, fs.ErrNotExist) {
			continue // somebody has taken it away
		} else if err != nil {
			return nil, err
		}
		list = append(list, rename{r.To, r.From, false})
	}
	return list, nil
}

func (n *Node) there(path string) (bool, error) {
	_, err := n.files().Lstat(n.at(path))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// done says whether an earlier run has carried a rename out.
func (n *Node) done(r rename) (bool, error) {
	from, err := n.there(r.From)
	if err != nil || !from {
		return true, err
	}
	if !r.Fresh {
		return false, nil
	}
	return n.there(r.To)
}

func (n *Node) rename(r rename) error {
	if done, err := n.done(r); err != nil || done {
		return err
	}
	return n.disk().Rename(n.at(r.From), n.at(r.To))
}

func (n *Node) renameBack(r rename) error {
	if done, err := n.done(r); err != nil || !done {
		return err
	}
	if there, err := n.there(r.To); err != nil || !there {
		return err
	}
	return n.disk().Rename(n.at(r.To), n.at(r.From))
}

// asideBounds says whether a path is one of those a kubelet's certificate has.
func asideBounds(path string) bool {
	return fs.ValidPath(path) && slices.ContainsFunc(kubelet.Preferred, func(p string) bool {
		rest, ok := strings.CutPrefix(path, p)
		return ok && !strings.Contains(rest, "/")
	})
}
