package next

import (
	"archive/tar"
	"bytes"
	"cmp"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"officiant/bundle/fingerprint"
	"officiant/bundle/install"
)

// Survivors are what is left of a cluster whose records are lost.
type Survivors struct {
	Cluster      string
	Sequence     int // the highest that any node has seen
	Nodes        int // that said so
	Keys         []*SurvivingKey
	Certificates []*SurvivingCertificate

	asked         Asked
	draft         *draft
	root, release fingerprint.SHA256 // that nodes pinned
	publics       [][]byte           // public keys in the places given, DER
	accountKey    fingerprint.SHA256 // by which control-plane nodes sign tokens; zero: none says
	believed      []fingerprint.SHA256
}

// SurvivingCertificate is an authority's certificate, and the first file it was in.
type SurvivingCertificate struct {
	Certificate *x509.Certificate
	File        string
	HasKey      bool // there is a key for it
}

// SurvivingKey is a key of the cluster in a token.
type SurvivingKey struct {
	Name        string // its label without the cluster
	Token       string // for people
	Public      crypto.PublicKey
	SPKI        fingerprint.SHA256
	Certificate *SurvivingCertificate // nil: none is left
	Pinned      bool                  // it is the release key that nodes pinned
}

// Survive begins the plan of a cluster whose records are lost: with the requests of
// its nodes, and with what they say of themselves.
func Survive(a Asked, statuses Statuses) (*Survivors, error) {
	d, err := a.begin()
	if err != nil {
		return nil, err
	}
	d.p.OnlyThese = true
	s := &Survivors{Cluster: d.cluster, asked: a, draft: d}
	return s, s.seen(statuses)
}

// seen takes what nodes have seen: they have to agree on root and release key.
func (s *Survivors) seen(statuses Statuses) error {
	first, seen := "", map[string]int{}
	for _, node := range slices.Sorted(maps.Keys(statuses.of)) {
		pins := statuses.of[node].Pins
		switch {
		case pins == nil:
			continue
		case pins.Cluster != s.Cluster:
			return refuse("node %s is of cluster %s, not %s", oneLine(node), oneLine(pins.Cluster), oneLine(s.Cluster))
		case first == "":
			first, s.root, s.release = node, pins.Root, pins.Release
		case pins.Root != s.root || pins.Release != s.release:
			return refuse("nodes %s and %s pinned different roots or release keys: bring them to the same bundles first, "+
				"or leave one's status out and compare its words at install", oneLine(first), oneLine(node))
		}
		if err := s.accounts(node, statuses.of[node].ServiceAccount); err != nil {
			return err
		}
		s.Nodes++
		seen[node] = pins.HighestSequence
	}
	if err := s.highest(seen); err != nil {
		return err
	}
	if s.Sequence < 1 {
		return &Refused{
			Err: fmt.Errorf(
				"%s: no status of a node that installed a bundle, so nobody can say above which sequence the new chain has "+
					"to begin",
				statuses.Dir,
			),
			Hints: plainly("on each node: officiant-node status -o json >NODE.json"),
		}
	}
	return nil
}

// accounts takes by which service-account key a node signs, and which it believes.
func (s *Survivors) accounts(node string, keys []install.ServiceAccountKey) error {
	for i, k := range keys {
		switch {
		case i == 0 && s.accountKey == (fingerprint.SHA256{}):
			s.accountKey = k.SPKI
		case i == 0 && s.accountKey != k.SPKI:
			return refuse(
				"node %s signs tokens with another service-account key than the others: bring it to the same bundle first",
				oneLine(node),
			)
		}
		s.believed = append(s.believed, k.SPKI)
	}
	return nil
}

// farAbove is more ceremonies than any node of a cluster can have seen beyond what all
// others have, and mostPlausible more than any cluster holds: what a status says is its
// node's own, and the chain goes on above it for ever.
const farAbove, mostPlausible = 1000, 100_000

// highest is the highest sequence that any node has seen. One that stands out is named:
// nobody could bring the chain back below it.
func (s *Survivors) highest(seen map[string]int) error {
	nodes := slices.SortedFunc(maps.Keys(seen), func(a, b string) int {
		return cmp.Or(cmp.Compare(seen[b], seen[a]), cmp.Compare(a, b))
	})
	if len(nodes) == 0 {
		return nil
	}
	if low := nodes[len(nodes)-1]; seen[low] < 1 {
		return refuse("node %s says that it has seen ceremony %d, and there is none: what it says is not its state",
			oneLine(low), seen[low])
	}
	s.Sequence = seen[nodes[0]]
	others := 0
	if len(nodes) > 1 {
		others = seen[nodes[1]]
	}
	if s.Sequence > mostPlausible || len(nodes) > 1 && s.Sequence > others+farAbove {
		return &Refused{
			Err: fmt.Errorf(
				"node %s says that it has seen ceremony %d, and all others at most %d: the new chain would go on above it "+
					"for ever",
				oneLine(nodes[0]),
				s.Sequence,
				others,
			),
			Hints: plainly(
				"find out what happened to that node; without its status its bundle is refused there, and it has to be set " +
					"up anew",
			),
		}
	}
	return nil
}

// TakeFile looks for authorities' certificates in a file: PEM, or a bundle that is
// one file. Its signature does not matter here: what is taken is held against keys
// in tokens and what nodes pinned.
func (s *Survivors) TakeFile(f File) error {
	if filepath.Ext(f.Name) != ".tar" {
		s.take(f.Name, f.Data)
		return nil
	}
	for t := tar.NewReader(bytes.NewReader(f.Data)); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
		content, err := io.ReadAll(t)
		if err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
		s.take(f.Name+": "+h.Name, content)
	}
}

// take keeps each authority's certificate once.
func (s *Survivors) take(file string, data []byte) {
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "PUBLIC KEY" {
			s.publics = append(s.publics, block.Bytes)
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil || !c.IsCA ||
			slices.ContainsFunc(s.Certificates, func(l *SurvivingCertificate) bool { return l.Certificate.Equal(c) }) {
			continue
		}
		s.Certificates = append(s.Certificates, &SurvivingCertificate{Certificate: c, File: file})
	}
}

// TakeKey takes a key of a token, by the label it has there; token is what people
// call it. Keys of others are passed over.
func (s *Survivors) TakeKey(label, token string, public crypto.PublicKey) error {
	name, ours := s.Owns(label)
	if !ours {
		return nil
	}
	spki, err := fingerprint.SPKI(public)
	if err != nil {
		return err
	}
	k := &SurvivingKey{Name: name, Token: token, Public: public, SPKI: spki, Pinned: spki == s.release}
	for _, c := range s.Certificates {
		if spki != fingerprint.Of(c.Certificate.RawSubjectPublicKeyInfo) {
			continue
		}
		c.HasKey = true
		if k.Certificate == nil || c.Certificate.NotAfter.After(k.Certificate.Certificate.NotAfter) {
			k.Certificate = c // of several for one key, the one that lasts longest
		}
	}
	s.Keys = append(s.Keys, k)
	return nil
}

// Owns says whether a key's label is one of the cluster's, and its name there.
func (s *Survivors) Owns(label string) (name string, ours bool) {
	return strings.CutPrefix(label, s.Cluster+"/")
}

// Of says whether a key is a family's, by its name: "etcd", "etcd-2".
func (k *SurvivingKey) Of(family string) bool {
	return k.Name == family || strings.HasPrefix(k.Name, family+"-")
}
