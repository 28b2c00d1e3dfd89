package install

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"officiant/bundle"
	"officiant/bundle/fingerprint"
)

// planner says what an operation changes, and writes nothing.
type planner struct {
	below
	record
	kubelet kubeletUse
}

// install says what placing an accepted bundle changes.
func (pl planner) install(a *accepted) (*Report, *transaction, error) {
	before, problem, err := pl.since()
	if err != nil {
		return nil, nil, err
	}
	archive, err := a.bundle.Tar()
	if err != nil {
		return nil, nil, err
	}
	r := &Report{Cluster: a.bundle.Cluster, Node: a.bundle.Node, Sequence: a.bundle.Sequence, First: a.first, Pins: a.pins,
		Left: a.left, Unread: problem}
	if a.before != nil && a.before.Root != a.pins.Root {
		r.Unpinned = &a.before.Root
	}
	for _, c := range a.roots {
		if f := fingerprint.Of(c.Raw); f != a.pins.Root {
			r.Beside = append(r.Beside, f)
		}
	}
	if a.before != nil && a.before.Release != a.pins.Release {
		r.Retired = &a.before.Release
	}
	r.Next = a.next
	t := &transaction{operation: "install", write: slices.Clone(a.tree)}
	files := a.files
	same := false
	if before != nil {
		r.Before = before.Sequence
		same = bytes.Equal(before.Sums, a.bundle.Sums)
		old, err := filesOf(before)
		if err != nil {
			return nil, nil, err
		}
		t.remove = gone(old, a.files)
		files = append(slices.Clone(files), old...)
	}
	if r.Changes, r.Same, err = pl.changes(t); err != nil {
		return nil, nil, err
	}
	r.Notices = notices(r.Changes, files)
	if err := pl.named(r.Notices, files); err != nil {
		return nil, nil, err
	}
	if err := pl.planKubelet(a, r, t); err != nil {
		return nil, nil, err
	}
	r.Already = a.again && same && len(r.Changes) == 0 && len(t.renames) == 0
	if err := pl.addState(a, t, archive, before, same); err != nil {
		return nil, nil, err
	}
	return r, t, nil
}

// planKubelet has what the kubelet would prefer to its new kubelet.conf put aside.
func (pl planner) planKubelet(a *accepted, r *Report, t *transaction) error {
	var err error
	r.Kubelet, err = pl.kubelet.of(a.bundle, a.files, configIn(t.write))
	if err != nil || r.Kubelet == nil || r.Kubelet.Instead == nil {
		return err
	}
	if t.renames, err = pl.kubelet.putAside(beforeSuffix, a.bundle.Sequence); err != nil {
		return err
	}
	r.asides(t.renames)
	return nil
}

// addState adds the node's own files to a transaction.
func (pl planner) addState(a *accepted, t *transaction, archive []byte, before *bundle.Bundle, same bool) error {
	pins, err := document(a.pins)
	if err != nil {
		return err
	}
	known, err := pl.origins()
	if err != nil {
		return err
	}
	if known, err = known.after(a.bundle); err != nil {
		return err
	}
	from, err := document(known)
	if err != nil {
		return err
	}
	t.write = append(t.write,
		placed{path: StateDir + "/" + installedFile, data: archive, mode: secretMode},
		placed{path: StateDir + "/" + originsFile, data: from, mode: secretMode},
		placed{path: StateDir + "/" + pinsFile, data: pins, mode: secretMode})
	if same {
		return nil // putting the same bundle right again does not change what the way back is
	}
	return pl.keep(t, before, previousFile)
}

// keep adds an archive of everything the transaction touches, as it is now.
func (pl planner) keep(t *transaction, before *bundle.Bundle, name string) error {
	paths := slices.Clone(t.remove)
	for _, p := range t.write {
		if p.path != StateDir+"/"+pinsFile {
			paths = append(paths, p.path)
		}
	}
	slices.Sort(paths)
	there, absent, err := pl.snapshot(paths)
	if err != nil {
		return err
	}
	index := previousTree{Absent: absent, Renames: t.renames}
	if before != nil {
		sum := sumOf(before)
		index.Bundle, index.Sequence = &sum, before.Sequence
	}
	data, err := pack(index, there)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	t.write = append(t.write, placed{path: StateDir + "/" + name, data: data, mode: secretMode})
	return nil
}

// changes lists what the transaction does to the files of /etc/kubernetes, and
// which of them are in place already.
func (pl planner) changes(t *transaction) (list []Change, same []string, err error) {
	for _, p := range t.write {
		now, err := pl.read(p.path)
		if err != nil {
			return nil, nil, err
		}
		if what := difference(now, p); what != "" {
			list = append(list, Change{p.path, what, compare(now, &p)})
		} else {
			same = append(same, p.path)
		}
	}
	for _, path := range t.remove {
		now, err := pl.read(path)
		if err != nil {
			return nil, nil, err
		}
		if now != nil {
			list = append(list, Change{path, Removed, compare(now, nil)})
		}
	}
	slices.SortFunc(list, func(a, b Change) int { return strings.Compare(a.Path, b.Path) })
	slices.Sort(same)
	return list, same, nil
}

// snapshot reads the files at paths as they are, for the way back.
func (pl planner) snapshot(paths []string) (there []placed, absent []string, err error) {
	for _, path := range paths {
		now, err := pl.read(path)
		if err != nil {
			return nil, nil, err
		}
		if now == nil {
			absent = append(absent, path)
		} else {
			there = append(there, *now)
		}
	}
	return there, absent, nil
}
