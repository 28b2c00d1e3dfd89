package next

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/ceremony/history"
	"officiant/ceremony/plan"
)

// Continue makes a plan that continues where a cluster's ceremonies in an archive ended. If
// another cluster's ceremony opened the root since, the plan continues that, too.
// If the archive has no ceremony of its cluster, the plan is that cluster's first, below the
// root of the ceremonies that are here. dirs opens a ceremony directory by its name.
func Continue(a Asked, archive *history.Archive, dirs func(dir string) fs.FS, lists plan.Duration) (*Proposal, error) {
	d, err := a.begin()
	if err != nil {
		return nil, err
	}
	h, err := archive.History(d.cluster)
	if err != nil {
		return nil, ofRecords(err)
	}
	chain, err := openChain(archive, h, dirs)
	if err != nil {
		return nil, err
	}
	if h.Last() == nil && a.Journal != nil {
		return nil, refuse("%s has no ceremony yet, so no online signer has signed for it", d.cluster)
	}
	if h.Last() == nil {
		return d.anotherCluster(a, chain, lists)
	}
	if lists != 0 {
		return nil, refuse(
			"%s has ceremonies already, and lists of its authorities are made by officiant ceremony revoke",
			d.cluster,
		)
	}
	last := chain.last()
	if d.p.Previous, err = chain.previous(d.in); err != nil {
		return nil, err
	}
	root, err := last.root()
	if err != nil {
		return nil, err
	}
	others, err := chain.openedBy(d.in, root.spki)
	if err != nil {
		return nil, err
	}
	d.p.Previous = append(d.p.Previous, others...)
	if d.p.Journals, err = a.Journal.place(d.in, chain); err != nil {
		return nil, err
	}
	if err := last.authorities(&d.p, d.in, true); err != nil {
		return nil, err
	}
	if err := last.release(&d.p, d.in); err != nil {
		return nil, err
	}
	d.inherit(last)
	chain.vouch(d.nodes)
	for i := range d.nodes {
		chain.known(&d.nodes[i].node)
	}
	if a.KnownHosts == nil {
		a.KnownHosts, d.hosts = chain.knownHosts(), last.prefix+"/known_hosts"
	}
	d.p.People = last.plan.People
	if err := chain.serviceAccount(&d.p, d.in, d.nodes); err != nil {
		return nil, err
	}
	var nodes []plan.Node
	for _, n := range d.nodes {
		nodes = append(nodes, n.node)
	}
	d.p.Grant = chain.grant(a.Now, &d.p, nodes, fingerprint.SHA256{})
	return d.end(a, last.Open.Sequence+1)
}

// anotherCluster is a cluster's first ceremony, below the root that another one has:
// it continues the ceremony that opened the root last.
func (d *draft) anotherCluster(a Asked, chain Chain, lists plan.Duration) (*Proposal, error) {
	roots, err := chain.rootsLast()
	if err != nil {
		return nil, err
	}
	for i, p := range roots {
		named, err := p.named(d.in)
		if err != nil {
			return nil, err
		}
		d.p.Previous = append(d.p.Previous, named)
		if i > 0 {
			continue
		}
		if err := p.authorities(&d.p, d.in, false); err != nil {
			return nil, err
		}
	}
	d.lists(lists)
	return d.end(a, 1)
}

// rootsLast are the ceremonies of other clusters that a new one continues: the one
// that opened the root last. Nobody here opens an external root; then it
// is the last one of each cluster.
func (c Chain) rootsLast() ([]*Previous, error) {
	var all []*Previous
	for _, name := range c.archive.Clusters() {
		h, err := c.archive.History(name)
		if err != nil {
			return nil, ofRecords(err)
		}
		p, err := readPrevious(h.Last(), c.dirs(h.Last().Source.Dir), h)
		if err != nil {
			return nil, ofRecords(err)
		}
		all = append(all, p)
	}
	root, err := all[0].root()
	if err != nil {
		return nil, err
	}
	for _, p := range all[1:] {
		other, err := p.root()
		switch {
		case err != nil:
			return nil, err
		case other.spki != root.spki:
			return nil, &Refused{Err: fmt.Errorf("%s and %s are below different roots", all[0].Where(), p.Where()),
				Hints: plainly("give the ceremonies of those clusters alone whose root the new one is to have")}
		}
	}
	if root.external {
		return all, nil
	}
	h, err := c.archive.Sharing(c.Cluster, root.spki)
	if err != nil {
		return nil, ofRecords(err)
	}
	if len(h.Others()) == 0 {
		return nil, notOpened(all)
	}
	var last []*Previous
	for _, r := range h.Others() {
		p, err := readPrevious(r, c.dirs(r.Source.Dir), h)
		if err != nil {
			return nil, ofRecords(err)
		}
		last = append(last, p)
	}
	return last, nil
}

// notOpened says that none of these ceremonies had the root's key.
func notOpened(all []*Previous) error {
	var names []string
	refused := &Refused{}
	for _, p := range all {
		names = append(names, p.Where())
		for _, before := range p.Open.Predecessors {
			refused.Hints = append(refused.Hints, Hint{Text: fmt.Sprintf("%s continues ceremony %d of cluster %s", p.Where(),
				before.Sequence, before.Cluster)})
		}
	}
	slices.Sort(names)
	refused.Err = fmt.Errorf(
		"the root's key was not opened by %s: a new cluster continues the root's last ceremony, in which it was",
		strings.Join(names, ", "),
	)
	return refused
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
