package inventory

import (
	"bytes"
	"crypto/x509"
	"encoding/hex"
	"strings"
	"time"
	"unique"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/revocation"
	"officiant/ceremony/transcript"
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
	Abandoned  State = "abandoned"  // perhaps signed, never recorded; counts as issued
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
	abandoned
	revoked
)

var (
	kinds  = [...]Kind{root: Root, intermediate: Intermediate, leaf: Leaf, crl: CRL}
	states = [...]State{current: Current, superseded: Superseded, dropped: Dropped, abandoned: Abandoned, revoked: Revoked}
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
// thousands, so what can be told from the rest, or stands there in binary form,
// is not there as text.
type Entry struct {
	of                  *transcript.Open
	name, subject       string
	names               []string
	authority           unique.Handle[string]
	kind, state         uint8 // of kinds and states
	serial              [serialBytes]byte
	sha256              fingerprint.SHA256
	notBefore, notAfter int64 // seconds since 1970
	revocation          *Revocation
}

// serialBytes is the most a serial number has (RFC 5280 section 4.1.2.2).
const serialBytes = 20

// End is when it ends.
func (e *Entry) End() time.Time { return time.Unix(e.notAfter, 0).UTC() }

// Item is all there is to tell of it.
func (e *Entry) Item() Item {
	i := Item{
		Cluster: e.of.Cluster, Sequence: e.of.Sequence, Ceremony: e.of.Name, Name: e.name, Kind: kinds[e.kind], Authority: e.authority.Value(), State: states[e.state],
		Subject: e.subject, Names: e.names, Serial: strings.TrimLeft(hex.EncodeToString(e.serial[:]), "0"), NotBefore: time.Unix(e.notBefore, 0).UTC(), NotAfter: e.End(),
	}
	if i.Names == nil {
		i.Names = []string{}
	}
	if e.kind == leaf {
		i.Node, _, _ = strings.Cut(e.name, "/")
	}
	if e.sha256 != (fingerprint.SHA256{}) {
		i.SHA256 = &e.sha256
	}
	i.Revoked = e.revocation
	return i
}

// fill takes what an intent and its certificate, signed or not, say.
func (e *Entry) fill(r transcript.Intent, c *x509.Certificate) {
	e.name, e.authority, e.subject = r.Name, unique.Make(r.Signer), c.Subject.String()
	c.SerialNumber.FillBytes(e.serial[:])
	e.notBefore, e.notAfter = c.NotBefore.Unix(), c.NotAfter.Unix()
	e.names = c.DNSNames
	for _, ip := range c.IPAddresses {
		e.names = append(e.names, ip.String())
	}
	switch {
	case c.IsCA && bytes.Equal(c.RawSubject, c.RawIssuer):
		e.kind = root
	case c.IsCA:
		e.kind = intermediate
	default:
		e.kind = leaf
	}
}
