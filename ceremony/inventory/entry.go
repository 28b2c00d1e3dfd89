package inventory

import (
	"strings"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/history"
	"officiant/ceremony/revocation"
)

// Kind says what a certificate is for.
type Kind string

const (
	Root         Kind = "root"
	Intermediate Kind = "intermediate"
	Leaf         Kind = "leaf"
	CRL          Kind = "crl" // a revocation list; it ends when the next is due
)

// State says what became of it.
type State string

const (
	Current    State = "current"    // the newest of its name
	Superseded State = "superseded" // made anew since; valid until it ends
	Dropped    State = "dropped"    // an authority that nodes trust no more
	Left       State = "left"       // of a node that has left the cluster for good
	Abandoned  State = "abandoned"  // perhaps signed, or of an abandoned ceremony; counts as issued
	Rotating   State = "rotating"   // the newest of its name by an online signer; its holder asks for the next
	Revoked    State = "revoked"    // on a revocation list, whatever it was before
)

// What an Entry holds in one byte each.
const (
	root = iota
	intermediate
	leaf
	crl
)

const (
	current = iota
	superseded
	dropped
	left
	abandoned
	rotating
	revoked
)

var (
	kinds  = [...]Kind{root: Root, intermediate: Intermediate, leaf: Leaf, crl: CRL}
	states = [...]State{
		current:    Current,
		superseded: Superseded,
		dropped:    Dropped,
		left:       Left,
		abandoned:  Abandoned,
		rotating:   Rotating,
		revoked:    Revoked,
	}
)

// Item is one certificate. Its JSON is a promise to scripts.
type Item struct {
	Cluster   string              `json:"cluster"`
	Sequence  int                 `json:"sequence"` // of the ceremony
	Ceremony  string              `json:"ceremony"` // the plan's name
	Name      string              `json:"name"`     // "cp-1/apiserver", "kubernetes"
	Node      string              `json:"node,omitempty"`
	Kind      Kind                `json:"kind"`
	Authority string              `json:"authority"` // who signed: the plan's name of it, or External
	State     State               `json:"state"`
	Subject   string              `json:"subject"`
	Names     []string            `json:"names"`  // DNS names and IP addresses
	Serial    string              `json:"serial"` // hex; of a revocation list, its number
	NotBefore time.Time           `json:"notBefore"`
	NotAfter  time.Time           `json:"notAfter"`
	SHA256    *fingerprint.SHA256 `json:"sha256,omitempty"` // of the certificate; absent when abandoned
	Revoked   *Revocation         `json:"revoked,omitempty"`
}

// Revocation is what a list says of a certificate.
type Revocation struct {
	At     time.Time         `json:"at"`
	Reason revocation.Reason `json:"reason"`
}

// Entry is one certificate as a list holds it: there may be hundreds of
// thousands, so what the record has is not there again.
type Entry struct {
	of          *Record
	n           int32 // the place among its certificates, its lists, or what its journals have
	online      bool  // by an online signer
	kind, state uint8 // of kinds and states
	notAfter    int64 // seconds since 1970
	revocation  *Revocation
}

// newEntry makes the entry of a record's n-th certificate.
func newEntry(record *Record, c history.Certificate, n int) *Entry {
	e := &Entry{of: record, n: int32(n), notAfter: c.NotAfter.Unix()}
	switch {
	case c.CA && c.SelfIssued:
		e.kind = root
	case c.CA:
		e.kind = intermediate
	default:
		e.kind = leaf
	}
	if c.State == history.Abandoned {
		e.state = abandoned
	}
	return e
}

// End is when it ends.
func (e *Entry) End() time.Time { return time.Unix(e.notAfter, 0).UTC() }

// name is the schedule's.
func (e *Entry) name() string {
	switch {
	case e.kind == crl:
		return e.of.Lists[e.n].Name
	case e.online:
		return e.of.online[e.n].name
	}
	return e.of.At(int(e.n)).Name
}

// authority is who signed.
func (e *Entry) authority() string {
	if e.kind == crl {
		return e.of.Lists[e.n].Signer
	}
	return e.of.At(int(e.n)).Signer
}

// serial is its serial number; of a list, zero.
func (e *Entry) serial() (s history.Serial) {
	switch {
	case e.kind == crl:
		return s
	case e.online:
		return e.of.online[e.n].serial
	}
	return e.of.At(int(e.n)).Serial
}

// Item is an entry with everything that is known about it.
func (e *Entry) Item() Item {
	var i Item
	switch {
	case e.kind == crl: // a record may have lists and no certificate
		i = e.list()
	case e.online:
		i = e.of.online[e.n].item()
	default:
		i = e.certificate()
	}
	if i.Names == nil {
		i.Names = []string{}
	}
	if e.kind == leaf {
		i.Node, _, _ = strings.Cut(i.Name, "/")
		if i.Node == i.Name { // a user's, by an online signer
			i.Node = ""
		}
	}
	open := &e.of.Open
	i.Cluster, i.Sequence, i.Ceremony = open.Cluster, open.Sequence, open.Name
	i.Kind, i.State, i.NotAfter, i.Revoked = kinds[e.kind], states[e.state], e.End(), e.revocation
	return i
}

func (e *Entry) certificate() Item {
	c, t := e.of.At(int(e.n)), e.of.texts[e.n]
	i := Item{
		Name:      c.Name,
		Authority: c.Signer,
		Subject:   t.subject,
		Names:     t.names,
		Serial:    c.Serial.String(),
		NotBefore: c.NotBefore,
	}
	if c.State != history.Abandoned {
		i.SHA256 = &c.SHA256
	}
	return i
}

func (e *Entry) list() Item {
	l := e.of.Lists[e.n]
	sum := fingerprint.Of(l.DER)
	return Item{
		Name: l.Name, Authority: l.Signer, Subject: l.Issuer.String(), Names: []string{}, Serial: l.Number.Text(16),
		NotBefore: l.ThisUpdate.UTC(), SHA256: &sum,
	}
}
