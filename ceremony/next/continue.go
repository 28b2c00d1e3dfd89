package next

import (
	"fmt"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
)

// Continue makes a plan go on where finished ceremonies ended. Of those given, one
// may be this cluster's own, and one another's, the root's last; without an own one
// the plan is another cluster's first, below the same root.
func Continue(a Asked, given []*Previous) (*Proposal, error) {
	d, err := a.begin()
	if err != nil {
		return nil, err
	}
	own, roots, err := apart(given, d.cluster)
	if err != nil {
		return nil, err
	}
	if err := rootsLast(own, roots); err != nil {
		return nil, err
	}
	for _, l := range []*Previous{own, roots} {
		if l == nil {
			continue
		}
		named, err := l.named(d.in)
		if err != nil {
			return nil, err
		}
		d.p.Previous = append(d.p.Previous, named)
	}
	if own == nil {
		if err := roots.authorities(&d.p, d.in, false); err != nil {
			return nil, err
		}
		return d.end(a, 1)
	}
	if err := own.authorities(&d.p, d.in, true); err != nil {
		return nil, err
	}
	if err := own.release(&d.p, d.in); err != nil {
		return nil, err
	}
	own.vouch(d.nodes)
	d.p.People = own.plan.People
	if err := (Chain{own}).serviceAccount(&d.p, d.in, d.nodes); err != nil {
		return nil, err
	}
	return d.end(a, own.open.Sequence+1)
}

// apart tells this cluster's ceremony from another's: at most one of each.
func apart(given []*Previous, cluster string) (own, roots *Previous, err error) {
	for _, l := range given {
		side := &roots
		if l.open.Cluster == cluster {
			side = &own
		}
		if *side != nil {
			return nil, nil, both(*side, l)
		}
		*side = l
	}
	return own, roots, nil
}

// both refuses two ceremonies of which a plan can continue only one.
func both(a, b *Previous) error {
	refused := &Refused{
		Err: fmt.Errorf(
			"%s and %s: a plan continues one ceremony of its own cluster, and one of another, the root's last",
			a.Dir,
			b.Dir,
		),
	}
	for _, pair := range [][2]*Previous{{a, b}, {b, a}} {
		if pair[0].continues(pair[1]) {
			refused.Hints = []string{fmt.Sprintf("%s continues %s: leave %s out", pair[0].Dir, pair[1].Dir, pair[1].Dir)}
		}
	}
	return refused
}

// rootsLast refuses another cluster's ceremony that is not the root's last, as far
// as the two can tell.
func rootsLast(own, roots *Previous) error {
	if roots == nil {
		return nil
	}
	root, err := roots.root()
	if err != nil {
		return err
	}
	if !root.external && !roots.opened(root.spki) {
		refused := &Refused{
			Err: fmt.Errorf(
				"%s: ceremony %d of cluster %s did not open the root's key; --previous takes the root's last ceremony, in "+
					"which it did",
				roots.Dir,
				roots.open.Sequence,
				roots.open.Cluster,
			),
		}
		for _, p := range roots.open.Predecessors {
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
		return refuse("%s and %s are below different roots", own.Dir, roots.Dir)
	case own.continues(roots):
		return &Refused{
			Err:   fmt.Errorf("%s continues %s already, so that is not the root's last ceremony", own.Dir, roots.Dir),
			Hints: []string{"leave it out, or name the last one that opened the root since"},
		}
	}
	return nil
}

// rootKey is the key above a ceremony's intermediates.
type rootKey struct {
	spki     fingerprint.SHA256
	external bool
}

func (l *Previous) root() (rootKey, error) {
	a := l.plan.Plan.Issuing(kubepki.Root)
	if a == nil {
		return rootKey{}, fmt.Errorf("%s: its plan has no root", l.Dir)
	}
	certificate := l.certificate(a.Name)
	if certificate == nil {
		return rootKey{}, fmt.Errorf("%s: authority %s has no certificate on record", l.Dir, a.Name)
	}
	spki, err := fingerprint.SPKI(certificate.PublicKey)
	return rootKey{spki, a.External}, err
}
