package install

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"

	"officiant/bundle"
	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
)

// ErrNoWayBack says that there is nothing a rollback could restore.
var ErrNoWayBack = errors.New("nothing to go back to")

func sumOf(b *bundle.Bundle) fingerprint.SHA256 { return fingerprint.Of(b.Sums) }

// Rollback puts back the files that were in place before the last install, all
// or nothing. The present ones are kept in previous/rolled-back.tar for people. A
// second Rollback does nothing (ErrNoWayBack), so that repeating an
// interrupted one does not undo it. It does not lower the highest sequence seen.
// An interrupted operation is finished first.
func (n *Node) Rollback(dryRun bool) (*Report, error) {
	unlock, err := n.lock()
	if err != nil {
		return nil, err
	}
	defer unlock()
	finished := ""
	if dryRun {
		if j, err := n.record().interrupted(); err != nil {
			return nil, err
		} else if j != nil {
			return nil, fmt.Errorf("an interrupted %s has to be finished first, which a dry run does not: roll back",
				j.Operation)
		}
	} else if finished, err = n.completion().recover(); err != nil {
		return nil, err
	}
	if finished == "rollback" {
		return n.planner().rolledBack(finished) // that was this command's work; doing more would undo it
	}
	r, t, err := n.planner().rollback()
	if err != nil || dryRun {
		return r, err
	}
	r.Finished = finished
	return r, n.staging().apply(t)
}

// rolledBack reports what an earlier process had begun.
func (pl planner) rolledBack(finished string) (*Report, error) {
	pins, err := pl.state.Pins()
	if err != nil {
		return nil, err
	}
	b, _, err := pl.since()
	if err != nil {
		return nil, err
	}
	r := &Report{Finished: finished, Pins: pins}
	if pins != nil {
		r.Cluster, r.Node = pins.Cluster, pins.Node
	}
	if b != nil {
		r.Sequence = b.Sequence
	}
	return r, nil
}

func (pl planner) rollback() (*Report, *transaction, error) {
	index, files, err := pl.previous()
	if err != nil {
		return nil, nil, err
	}
	if index == nil {
		return nil, nil, ErrNoWayBack
	}
	pins, err := pl.state.Pins()
	if err != nil {
		return nil, nil, err
	}
	if pins == nil {
		return nil, nil, ErrNoWayBack
	}
	before, _, err := pl.since()
	if err != nil {
		return nil, nil, err
	}
	r := &Report{Cluster: pins.Cluster, Node: pins.Node, Sequence: index.Sequence, Pins: pins}
	t := &transaction{operation: "rollback", write: slices.Clone(files), remove: slices.Clone(index.Absent)}
	known, returns, err := knownFiles(before, files)
	if err != nil {
		return nil, nil, err
	}
	if before != nil {
		r.Before = before.Sequence
	}
	all, same, err := pl.changes(t)
	if err != nil {
		return nil, nil, err
	}
	ours := func(path string) bool { return strings.HasPrefix(path, StateDir+"/") }
	r.Same = slices.DeleteFunc(same, ours)
	r.Changes = slices.DeleteFunc(all, func(c Change) bool { return ours(c.Path) })
	r.Notices = notices(r.Changes, known)
	if err := pl.named(r.Notices, known); err != nil {
		return nil, nil, err
	}
	if err := pl.rollBackKubelet(index, r, t, known, returns); err != nil {
		return nil, nil, err
	}
	if err := pl.keep(t, before, rolledBackFile); err != nil {
		return nil, nil, err
	}
	t.remove = append(t.remove, StateDir+"/"+previousFile)
	return r, t, nil
}

// rollBackKubelet has the kubelet use again what it used before: what was put aside
// comes back, and what it has made since, and would prefer, goes.
func (pl planner) rollBackKubelet(
	index *previousTree, r *Report, t *transaction, known []kubepki.File, returns *bundle.Bundle,
) error {
	var err error
	if t.renames, err = pl.kubelet.putBack(index.Renames, r.Before); err != nil {
		return err
	}
	if len(t.renames) == 0 {
		k, err := pl.kubelet.of(returns, known, configIn(t.write))
		if err != nil {
			return err
		}
		if k != nil && k.Instead != nil {
			if t.renames, err = pl.kubelet.putAside(rolledBackSuffix, r.Before); err != nil {
				return err
			}
		}
	}
	r.asides(t.renames)
	return nil
}

// configIn is the certificate of kubelet.conf among files that are to come; nil when
// it is not among them.
func configIn(files []placed) *x509.Certificate {
	for _, p := range files {
		if p.path == kubernetesDir+"/"+kubeletConfig {
			return bundle.FirstCertificate(kubeletConfig, p.data)
		}
	}
	return nil
}

// knownFiles are the files of the bundle in place and of the one to come back, which it
// returns as well; nil when it does not read.
func knownFiles(before *bundle.Bundle, files []placed) (known []kubepki.File, returns *bundle.Bundle, err error) {
	if before != nil {
		list, err := filesOf(before)
		if err != nil {
			return nil, nil, err
		}
		known = append(known, list...)
	}
	for _, f := range files {
		if f.path != StateDir+"/"+installedFile {
			continue
		}
		b, err := bundle.Parse(previousFile, f.data)
		var refusal *bundle.Refusal
		if errors.As(err, &refusal) {
			continue // it comes back as it was: damaged
		}
		if err != nil {
			return nil, nil, err
		}
		list, err := filesOf(b)
		if err != nil {
			return nil, nil, err
		}
		known, returns = append(known, list...), b
	}
	return known, returns, nil
}
