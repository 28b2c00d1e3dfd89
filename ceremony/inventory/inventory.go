package inventory

import (
	"bytes"
	"cmp"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/transcript"
)

// Kind says what a certificate is for.
type Kind string

const (
	Root         Kind = "root"
	Intermediate Kind = "intermediate"
	Leaf         Kind = "leaf"
)

// State says what became of it.
type State string

const (
	Current    State = "current"    // the newest of its name
	Superseded State = "superseded" // made anew since; valid until it ends
	Abandoned  State = "abandoned"  // perhaps signed, never recorded; counts as issued
)

// Item is one certificate. Its JSON is a promise to scripts.
type Item struct {
	Cluster   string              `json:"cluster"`
	Sequence  int                 `json:"sequence"` // of the ceremony
	Ceremony  string              `json:"ceremony"` // the plan's name
	Name      string              `json:"name"`     // "cp-1/apiserver", "kubernetes"
	Node      string              `json:"node,omitempty"`
	Kind      Kind                `json:"kind"`
	Authority string              `json:"authority"` // who signed: the plan's name of it
	State     State               `json:"state"`
	Subject   string              `json:"subject"`
	Names     []string            `json:"names"`  // DNS names and IP addresses
	Serial    string              `json:"serial"` // hex
	NotBefore time.Time           `json:"notBefore"`
	NotAfter  time.Time           `json:"notAfter"`
	SHA256    *fingerprint.SHA256 `json:"sha256,omitempty"` // of the certificate; absent when abandoned
}

// List is what several transcripts tell together, oldest first. Rehearsals tell
// of nothing real, and are an error. The same transcript twice counts once.
func List(transcripts ...*transcript.Transcript) ([]Item, error) {
	var items []Item
	heads := map[fingerprint.SHA256]bool{}
	for _, t := range transcripts {
		if heads[t.Head()] {
			continue
		}
		heads[t.Head()] = true
		if t.Open().Rehearsal {
			return nil, fmt.Errorf("ceremony %s is a rehearsal: what it issued is for nobody", t.Open().Name)
		}
		some, err := of(t)
		if err != nil {
			return nil, fmt.Errorf("ceremony %s: %w", t.Open().Name, err)
		}
		items = append(items, some...)
	}
	slices.SortStableFunc(items, func(a, b Item) int {
		return cmp.Or(cmp.Compare(a.Cluster, b.Cluster), cmp.Compare(a.Sequence, b.Sequence))
	})
	supersede(items)
	return items, nil
}

// Missing names the ceremonies that some of these continue and that are not
// among them: an inventory without them is not whole.
func Missing(transcripts ...*transcript.Transcript) []string {
	heads := map[fingerprint.SHA256]bool{}
	for _, t := range transcripts {
		heads[t.Head()] = true
	}
	var missing []string
	for _, t := range transcripts {
		for _, p := range t.Open().Predecessors {
			name := fmt.Sprintf("ceremony %d of cluster %s", p.Sequence, p.Cluster)
			if !heads[p.Head] && !slices.Contains(missing, name) {
				missing = append(missing, name)
			}
		}
	}
	return missing
}

// Forked names the ceremonies of which these tell two different stories: the
// chain was forked, or an unfinished copy lies beside the finished one.
func Forked(transcripts ...*transcript.Transcript) []string {
	heads := map[string]fingerprint.SHA256{}
	var forked []string
	for _, t := range transcripts {
		name := fmt.Sprintf("ceremony %d of cluster %s", t.Open().Sequence, t.Open().Cluster)
		if head, ok := heads[name]; ok && head != t.Head() && !slices.Contains(forked, name) {
			forked = append(forked, name)
		}
		heads[name] = t.Head()
	}
	return forked
}

// of lists one ceremony's certificates, in the order of their intents.
func of(t *transcript.Transcript) ([]Item, error) {
	open := t.Open()
	issued := map[int][]byte{}
	for _, l := range t.Lines {
		if r, ok := l.Record.(transcript.Issued); ok {
			issued[r.Intent] = r.Certificate
		}
	}
	var items []Item
	for _, l := range t.Lines {
		r, ok := l.Record.(transcript.Intent)
		if !ok {
			continue
		}
		der, known := issued[l.Seq]
		if !known {
			der = unsigned(r.TBS)
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("line %d: %s: %w", l.Seq, r.Name, err)
		}
		i := item(open, r, c)
		if known {
			sum := fingerprint.Of(der)
			i.State, i.SHA256 = Current, &sum
		}
		items = append(items, i)
	}
	return items, nil
}

func item(open transcript.Open, r transcript.Intent, c *x509.Certificate) Item {
	i := Item{
		Cluster: open.Cluster, Sequence: open.Sequence, Ceremony: open.Name, Name: r.Name, Kind: Leaf, Authority: r.Signer, State: Abandoned,
		Subject: c.Subject.String(), Names: []string{}, Serial: fmt.Sprintf("%x", c.SerialNumber), NotBefore: c.NotBefore.UTC(), NotAfter: c.NotAfter.UTC(),
	}
	i.Names = append(i.Names, c.DNSNames...)
	for _, ip := range c.IPAddresses {
		i.Names = append(i.Names, ip.String())
	}
	switch {
	case c.IsCA && bytes.Equal(c.RawSubject, c.RawIssuer):
		i.Kind = Root
	case c.IsCA:
		i.Kind = Intermediate
	default:
		i.Node, _, _ = strings.Cut(r.Name, "/")
	}
	return i
}

// supersede marks all but the newest of each name in a cluster; items are in
// the order of their ceremonies.
func supersede(items []Item) {
	newest := map[string]int{}
	for i, it := range items {
		if it.State != Current {
			continue
		}
		key := it.Cluster + "\x00" + it.Name
		if older, ok := newest[key]; ok {
			items[older].State = Superseded
		}
		newest[key] = i
	}
}

// unsigned is a certificate of these to-be-signed bytes (RFC 5280 section 4.1)
// with an empty signature, for the sake of its reader; nil when they are none.
func unsigned(tbs []byte) []byte {
	whole := cryptobyte.String(tbs)
	var fields, algorithm cryptobyte.String
	if !whole.ReadASN1(&fields, asn1.SEQUENCE) ||
		!fields.SkipOptionalASN1(asn1.Tag(0).Constructed().ContextSpecific()) || // version
		!fields.SkipASN1(asn1.INTEGER) || // serial number
		!fields.ReadASN1Element(&algorithm, asn1.SEQUENCE) {
		return nil
	}
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(tbs)
		b.AddBytes(algorithm)
		b.AddASN1BitString(nil)
	})
	return b.BytesOrPanic()
}
