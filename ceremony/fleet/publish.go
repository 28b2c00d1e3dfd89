package fleet

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"officiant/ceremony/history"
)

// Publication is what Publish did.
type Publication struct {
	Published []string // nodes that got another bundle
	Stands    []string // nodes whose bundle is as good as the newest
	Waits     []string // nodes whose wave has to wait
	For       []Node   // who is not well in the wave that is waited for
	Removed   []string // nodes that have left, whose bundle is gone
}

// Publish lays out the bundles of every wave, up to the first wave in which a node is not
// healthy. It does not wait for lagging nodes. It can be repeated, and is meant to be.
func (f *Folder) Publish(h *history.History, waves []Wave, lagging []string) (*Publication, error) {
	before, err := f.read()
	if err != nil {
		return nil, err
	}
	if before.Cluster != "" && before.Cluster != h.Cluster {
		return nil, fmt.Errorf("%s holds the bundles of cluster %.100q, not of %s", f.Dir, before.Cluster, h.Cluster)
	}
	offers, err := f.offers(h)
	if err != nil {
		return nil, err
	}
	for _, node := range lagging {
		if !slices.ContainsFunc(offers, func(o *offer) bool { return o.Node == node }) {
			return nil, fmt.Errorf("%.100q, which is not to be waited for, is no node of cluster %s", node, h.Cluster)
		}
	}
	ordered, err := inWaves(offers, waves)
	if err != nil {
		return nil, err
	}
	if err := f.Disk.MkdirAll(filepath.Join(f.Dir, StatusDir), 0o755); err != nil {
		return nil, err
	}
	statuses, err := f.statuses()
	if err != nil {
		return nil, err
	}
	p := &Publication{}
	after := &index{APIVersion: apiVersion, Kind: kind, Cluster: h.Cluster}
	open := true
	for _, wave := range ordered {
		for _, o := range wave {
			if err := f.lay(o, open, p); err != nil {
				return nil, err
			}
			after.Nodes = append(after.Nodes, o.Wanted)
		}
		if !open {
			continue
		}
		for _, o := range wave {
			if n := f.node(o.Wanted, o.published, statuses[o.Node]); n.State != Well && !slices.Contains(lagging, o.Node) {
				p.For = append(p.For, n)
				open = false
			}
		}
	}
	if len(p.Waits) == 0 {
		p.For = nil // nobody waits for them
	}
	if err := f.write(after); err != nil {
		return nil, err
	}
	return p, f.removeLeft(before, after, p)
}

// lay puts a node's bundle in place when its wave is open.
func (f *Folder) lay(o *offer, open bool, p *Publication) error {
	if o.published != nil {
		o.Published = o.published.Sequence
	}
	switch {
	case o.stands():
		p.Stands = append(p.Stands, o.Node)
		return nil
	case !open:
		p.Waits = append(p.Waits, o.Node)
		return nil
	}
	data, err := o.newest.Tar()
	if err != nil {
		return err
	}
	if err := f.Disk.Replace(f.tar(o.Node), data, 0o644); err != nil {
		return err
	}
	o.published, o.Published = o.newest, o.Sequence
	p.Published = append(p.Published, o.Node)
	return nil
}

func (f *Folder) write(x *index) error {
	data, err := json.MarshalIndent(x, "", "  ")
	if err != nil {
		return err
	}
	return f.Disk.Replace(filepath.Join(f.Dir, indexFile), append(data, '\n'), 0o644)
}

// removeLeft takes away what lies there for nodes that have left.
func (f *Folder) removeLeft(before, after *index, p *Publication) error {
	for _, n := range before.Nodes {
		if slices.ContainsFunc(after.Nodes, func(w Wanted) bool { return w.Node == n.Node }) ||
			filepath.Base(n.Node) != n.Node {
			continue
		}
		if err := f.Disk.Remove(f.tar(n.Node)); err == nil {
			p.Removed = append(p.Removed, n.Node)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return f.Disk.SyncDir(f.Dir)
}
