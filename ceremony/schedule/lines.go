package schedule

import (
	"iter"
	"slices"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
)

// lines are a schedule's, each by its place: what a leaf or a bundle signs is expanded from
// its node when somebody asks. There are two for each node, of half a KiB.
type lines struct {
	places []place
	others []Entry // what is neither a leaf nor a bundle
}

// place says what a line is of.
type place struct {
	kind placeKind
	leaf uint16 // of a leaf: which of its node's
	node int32  // of another line: which of the others
}

type placeKind uint8

const (
	otherPlace placeKind = iota
	leafPlace
	bundlePlace
)

// nodeLeaves are the certificates that nodes have. Of a plan opened lean they are expanded
// each time: they take more memory than all else of a node.
type nodeLeaves struct {
	cluster kubepki.Cluster
	nodes   []kubepki.Node
	good    []bool           // whose certificates could be expanded
	all     [][]kubepki.Leaf // nil of a plan opened lean
}

// at has a node's certificates, made or carried over; none when they could not be expanded.
func (l *nodeLeaves) at(node int) []kubepki.Leaf {
	switch {
	case !l.good[node]:
		return nil
	case l.all != nil:
		return l.all[node]
	}
	leaves, _ := kubepki.Leaves(l.cluster, l.nodes[node]) // it was good before
	return leaves
}

// keep takes a node's certificates that could be expanded.
func (l *nodeLeaves) keep(node int, leaves []kubepki.Leaf) {
	if l.good[node] = true; l.all != nil {
		l.all[node] = leaves
	}
}

// Len is how many lines the schedule has.
func (c *Ceremony) Len() int {
	if c.Entries != nil {
		return len(c.Entries)
	}
	return len(c.lines.places)
}

// All are the entries, in the schedule's order, or those of some kinds: then no other line is
// expanded.
func (c *Ceremony) All(kinds ...Kind) iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		for n := range c.Len() {
			if kind, _ := c.Of(n + 1); len(kinds) > 0 && !slices.Contains(kinds, kind) {
				continue
			}
			if !yield(c.entry(n)) {
				return
			}
		}
	}
}

// Entry is a line of the schedule, from 1; nil when there is no such line.
func (c *Ceremony) Entry(n int) *Entry {
	if n < 1 || n > c.Len() {
		return nil
	}
	if c.Entries != nil {
		return &c.Entries[n-1]
	}
	e := c.entry(n - 1)
	return &e
}

// Of is the kind of a line of the schedule, from 1, and the node that a leaf or a bundle is
// of; both empty when there is no such line.
func (c *Ceremony) Of(n int) (kind Kind, node string) {
	switch {
	case n < 1 || n > c.Len():
		return "", ""
	case c.Entries != nil:
		return c.Entries[n-1].Kind, c.Entries[n-1].Node
	}
	switch p := c.lines.places[n-1]; p.kind {
	case leafPlace:
		return LeafCertificate, c.Nodes[p.node].Name
	case bundlePlace:
		return BundleSignature, c.Nodes[p.node].Name
	default:
		return c.lines.others[p.node].Kind, ""
	}
}

// entry is a line by its index. Its signer's key says the signature algorithm.
func (c *Ceremony) entry(index int) (e Entry) {
	if c.Entries != nil {
		return c.Entries[index]
	}
	switch p := c.lines.places[index]; p.kind {
	case leafPlace:
		e = c.leafEntry(int(p.node), int(p.leaf))
	case bundlePlace:
		node := c.Nodes[p.node].Name
		e = Entry{Kind: BundleSignature, Name: "bundle " + node, Signer: c.Plan.Release.Name, Node: node}
	default:
		e = c.lines.others[p.node]
	}
	e.N = index + 1
	e.SignatureAlgorithm = c.algorithms[e.Signer].X509()
	return e
}

func (c *Ceremony) leafEntry(node, leaf int) Entry {
	n, l := c.Nodes[node].Name, &c.leaves.at(node)[leaf]
	var spki fingerprint.SHA256
	if o := c.Requests[n]; o != nil {
		spki = fingerprint.Of(o.Key(l.Name))
	}
	return Entry{
		Kind:         LeafCertificate,
		Name:         n + "/" + l.Name,
		Signer:       c.Plan.Issuing(l.Authority).Name,
		Node:         n,
		Leaf:         l,
		CommonName:   l.CommonName,
		Organization: l.Organization,
		DNSNames:     l.DNSNames,
		IPAddresses:  l.IPAddresses,
		KeyUsage:     l.KeyUsage,
		ExtKeyUsage:  l.ExtKeyUsage,
		Duration:     time.Duration(c.Plan.Leaves.Validity),
		SPKI:         spki,
		Made:         c.Plan.Nodes[node].Keys.Create,
	}
}
