package main

import (
	"fmt"
	"slices"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/ceremony/transcript"
	"officiant/cmd/internal/exit"
)

// both refuses two ceremonies of which a plan can continue only one.
func both(a, b *predecessor) error {
	refused := &exit.Error{Code: exit.Refused, Err: fmt.Errorf("%s and %s: a plan continues one ceremony of its own cluster, and one of another, the root's last", a.dir, b.dir)}
	for _, pair := range [][2]*predecessor{{a, b}, {b, a}} {
		if pair[0].continues(pair[1]) {
			refused.Hints = []string{fmt.Sprintf("%s continues %s: leave %s out", pair[0].dir, pair[1].dir, pair[1].dir)}
		}
	}
	return refused
}

// continues says whether a ceremony names another as its predecessor.
func (l *predecessor) continues(other *predecessor) bool {
	return slices.ContainsFunc(l.open.Predecessors, func(p transcript.Predecessor) bool { return p.Head == other.record.Head() })
}

// rootsLast refuses another cluster's ceremony that is not the root's last, as far
// as the two can tell.
func rootsLast(own, neighbour *predecessor) error {
	if neighbour == nil {
		return nil
	}
	root, err := neighbour.root()
	if err != nil {
		return err
	}
	if !root.external && !neighbour.opened(root.spki) {
		refused := &exit.Error{Code: exit.Refused, Err: fmt.Errorf("%s: ceremony %d of cluster %s did not open the root's key; --previous takes the root's last ceremony, in which it did",
			neighbour.dir, neighbour.open.Sequence, neighbour.open.Cluster)}
		for _, p := range neighbour.open.Predecessors {
			refused.Hints = append(refused.Hints, fmt.Sprintf("it continues ceremony %d of cluster %s", p.Sequence, p.Cluster))
		}
		return refused
	}
	if own == nil {
		return nil
	}
	mine, err := own.root()
	switch {
	case err != nil:
		return err
	case mine.spki != root.spki:
		return &exit.Error{Code: exit.Refused, Err: fmt.Errorf("%s and %s are below different roots", own.dir, neighbour.dir)}
	case own.continues(neighbour):
		return &exit.Error{Code: exit.Refused, Err: fmt.Errorf("%s continues %s already, so that is not the root's last ceremony", own.dir, neighbour.dir),
			Hints: []string{"leave it out, or name the last one that opened the root since"}}
	}
	return nil
}

// rootKey is the key above a ceremony's intermediates.
type rootKey struct {
	spki     fingerprint.SHA256
	external bool
}

func (l *predecessor) root() (rootKey, error) {
	a := l.plan.Plan.Issuing(kubepki.Root)
	if a == nil {
		return rootKey{}, fmt.Errorf("%s: its plan has no root", l.dir)
	}
	certificate := l.plan.Certificates[a.Name]
	for _, c := range l.record.Certificates() {
		if c.Name == a.Name {
			certificate = c.Certificate
		}
	}
	if certificate == nil {
		return rootKey{}, fmt.Errorf("%s: authority %s has no certificate on record", l.dir, a.Name)
	}
	spki, err := fingerprint.SPKI(certificate.PublicKey)
	return rootKey{spki, a.External}, err
}

// opened says whether a ceremony made or opened a key.
func (l *predecessor) opened(spki fingerprint.SHA256) bool {
	return slices.ContainsFunc(l.record.Lines, func(line transcript.Line) bool {
		k, ok := line.Record.(transcript.Key)
		return ok && k.SPKI == spki
	})
}
