package schedule

import (
	"crypto"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/bundle/request"
	"officiant/ceremony/history"
)

// Request is what is kept of a node's request after it was proven and compared with the
// plan: some 200 bytes. Input reads the file again, and compares it with its digest.
type Request struct {
	Fingerprint fingerprint.SHA256
	Recipient   string // to whom secrets are sealed: of a control-plane node alone
	Keys        []Key  // that it asks certificates for, sorted by name
	// Of a request that no person compared: the certificate whose key signed it, nil
	// when none did, and whether the node's SSH host key did.
	Voucher  *Voucher
	HostKey  bool
	Adoption *request.Adoption // what the node has of a cluster that is adopted here
}

// Key is a key of a node, by the Leaf.Name of the certificate it is for.
type Key struct {
	Name string
	SPKI []byte // DER, as certificates have it
}

// Voucher is a certificate whose key signed a request.
type Voucher struct {
	Name   string // Leaf.Name
	SHA256 fingerprint.SHA256
	Serial history.Serial
}

// Key is the SubjectPublicKeyInfo of the key for a certificate, in DER; nil when the
// request has none.
func (r *Request) Key(name string) []byte {
	i, ok := slices.BinarySearchFunc(r.Keys, name, func(k Key, name string) int { return strings.Compare(k.Name, name) })
	if !ok {
		return nil
	}
	return r.Keys[i].SPKI
}

// reduced is what is kept of a request. All of it is copied: a part of the file's
// bytes would hold the whole.
func (b *requestPass) reduced(i int, o *request.Opened) *Request {
	n, less := b.nodes.list[i], &Request{Fingerprint: o.Fingerprint, Keys: make([]Key, 0, len(o.CSRs))}
	if n.Has(kubepki.ControlPlane) {
		less.Recipient = strings.Clone(o.Recipient)
	}
	names := map[string]string{} // one copy for all nodes
	for _, l := range b.nodes.leaves.at(i) {
		names[l.Name] = l.Name
	}
	for _, part := range o.CSRs {
		name, ok := names[part.Name]
		if !ok {
			name = strings.Clone(part.Name)
		}
		less.Keys = append(less.Keys, Key{name, slices.Clone(o.CSR[part.Name].RawSubjectPublicKeyInfo)})
	}
	if b.p.Nodes[i].Fingerprint == (fingerprint.SHA256{}) {
		less.HostKey = o.HostKey != nil
		if o.Present != nil {
			c := o.Present[0]
			serial, _ := history.SerialOf(c.SerialNumber) // no number is none that is on record
			less.Voucher = &Voucher{strings.Clone(o.Previous.Name), fingerprint.Of(c.Raw), serial}
		}
	}
	if b.p.Adopts() {
		less.Adoption = o.Adoption
	}
	return less
}

// PublicKey is the key of a leaf, as its node's request has it.
func (c *Ceremony) PublicKey(leaf Entry) (crypto.PublicKey, error) {
	if err := notProven(c, leaf.Node); err != nil {
		return nil, fmt.Errorf("%s: %w", leaf.Name, err)
	}
	r := c.Requests[leaf.Node]
	if r == nil || r.Key(leaf.Leaf.Name) == nil {
		return nil, fmt.Errorf("%s: no request of node %s has a key for it", leaf.Name, leaf.Node)
	}
	return x509.ParsePKIXPublicKey(r.Key(leaf.Leaf.Name))
}
