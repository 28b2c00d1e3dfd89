package fleet

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"officiant/bundle"
	"officiant/bundle/durable"
	"officiant/bundle/fingerprint"
	"officiant/ceremony/history"
)

const (
	apiVersion = "officiant/v1"
	kind       = "Fleet"
	indexFile  = "fleet.json"
)

// StatusDir is where nodes leave their statuses, below the published folder.
const StatusDir = "status"

// Wave is a set of nodes that get their bundles together.
type Wave struct {
	Name  string
	Nodes []string
}

// Wanted is what a node is to have.
type Wanted struct {
	Node      string               `json:"node"`
	Wave      string               `json:"wave,omitempty"`
	Sequence  int                  `json:"sequence"`            // of the newest ceremony that made a bundle for it
	Published int                  `json:"published,omitempty"` // of NODE.tar; 0: there is none yet
	Accepts   []fingerprint.SHA256 `json:"accepts"`             // SHA-256 of SHA256SUMS of bundles that are as good
}

// index is fleet.json.
type index struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Cluster    string   `json:"cluster"`
	Nodes      []Wanted `json:"nodes"` // in the order of waves
}

// Folder is a folder that is published.
type Folder struct {
	Dir    string
	Status string // where statuses lie; empty: below Dir
	Disk   *durable.Disk
	Now    time.Time
}

func (f *Folder) tar(node string) string { return filepath.Join(f.Dir, node+".tar") }

func (f *Folder) statusDir() string {
	if f.Status != "" {
		return f.Status
	}
	return filepath.Join(f.Dir, StatusDir)
}

// maxIndex is above an index of 100,000 nodes, in bytes.
const maxIndex = 64 << 20

// read reads fleet.json; an empty index when there is none.
func (f *Folder) read() (*index, error) {
	x := &index{}
	name := filepath.Join(f.Dir, indexFile)
	data, err := readUpTo(name, maxIndex+1)
	if errors.Is(err, fs.ErrNotExist) {
		return x, nil
	}
	if err == nil && len(data) > maxIndex {
		err = fmt.Errorf("is larger than %d MiB", maxIndex>>20)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err = d.Decode(x); err == nil {
		if _, terr := d.Token(); terr != io.EOF {
			err = errors.New("text after the document")
		}
	}
	if err == nil && (x.APIVersion != apiVersion || x.Kind != kind) {
		err = fmt.Errorf("is not %s %s", apiVersion, kind)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(f.Dir, indexFile), err)
	}
	return x, nil
}

// published is the bundle that lies there for a node; nil when there is none, or none
// that is whole.
func (f *Folder) published(node string) (*bundle.Bundle, error) {
	b, err := bundle.Open(f.tar(node))
	if errors.Is(err, fs.ErrNotExist) || len(bundle.Refusals(err)) > 0 {
		return nil, nil
	}
	return b, err
}

// offer is what a node is to have, with the bundle itself.
type offer struct {
	Wanted
	newest    *bundle.Bundle
	published *bundle.Bundle // nil: none
}

// stands says whether what is published is as good as the newest.
func (o *offer) stands() bool {
	return o.published != nil && slices.Contains(o.Accepts, fingerprint.Of(o.published.Sums))
}

// offers are what the members of a cluster are to have, by the ceremonies' records.
func (f *Folder) offers(h *history.History) ([]*offer, error) {
	var list []*offer
	for _, node := range h.Members() {
		o, err := f.offer(h, node)
		if err != nil {
			return nil, err
		}
		list = append(list, o)
	}
	return list, nil
}

func (f *Folder) offer(h *history.History, node string) (*offer, error) {
	o := &offer{Wanted: Wanted{Node: node}}
	var err error
	if o.published, err = f.published(node); err != nil {
		return nil, err
	}
	for _, r := range h.Records() { // newest first
		file := filepath.Join(r.Source.Dir, "bundles", node+".tar")
		b, err := bundle.Open(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if b.Node != node || b.Cluster != h.Cluster || b.Ceremony != r.Open.Digest || b.Rehearsal {
			return nil, fmt.Errorf("%s is not the bundle that ceremony %d made for node %s", file, r.Open.Sequence, node)
		}
		if o.newest == nil {
			o.newest, o.Sequence = b, b.Sequence
		}
		if !bundle.Alike(o.newest, b) {
			break
		}
		o.Accepts = append(o.Accepts, fingerprint.Of(b.Sums))
	}
	if o.newest == nil {
		return nil, fmt.Errorf("none of these ceremonies has a bundle of node %s", node)
	}
	return o, nil
}

// inWaves orders offers by waves; those that none names come last.
func inWaves(offers []*offer, waves []Wave) ([][]*offer, error) {
	byName := map[string]*offer{}
	for _, o := range offers {
		byName[o.Node] = o
	}
	var out [][]*offer
	taken := map[string]string{}
	for _, w := range waves {
		var list []*offer
		for _, node := range w.Nodes {
			o := byName[node]
			switch before, ok := taken[node]; {
			case o == nil:
				return nil, fmt.Errorf("wave %s: %q is no node of this cluster", w.Name, node)
			case ok:
				return nil, fmt.Errorf("wave %s: node %s is in wave %s already", w.Name, node, before)
			}
			taken[node], o.Wave = w.Name, w.Name
			list = append(list, o)
		}
		out = append(out, list)
	}
	var rest []*offer
	for _, o := range offers {
		if _, ok := taken[o.Node]; !ok {
			rest = append(rest, o)
		}
	}
	if len(rest) > 0 {
		out = append(out, rest)
	}
	return out, nil
}
