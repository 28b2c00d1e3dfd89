package history

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"iter"
	"time"

	"officiant/ceremony/revocation"
	"officiant/ceremony/transcript"
)

// List is a revocation list on record.
type List struct {
	Of     *Record
	Line   int    // of the record
	Name   string // the schedule's, "crl etcd"; empty when it was carried over
	Signer string // the authority, as the record that made the list names it
	Family string
	DER    []byte
	*x509.RevocationList
}

// By says whether an authority signed the list: one name may have had two keys.
func (l List) By(c *x509.Certificate) bool {
	return bytes.Equal(l.RawIssuer, c.RawSubject) && bytes.Equal(l.AuthorityKeyId, c.SubjectKeyId)
}

// SameIssuer says whether two lists are of one authority.
func (l List) SameIssuer(o List) bool {
	return bytes.Equal(l.RawIssuer, o.RawIssuer) && bytes.Equal(l.AuthorityKeyId, o.AuthorityKeyId)
}

// Revocation is what a list says of a certificate.
type Revocation struct {
	At     time.Time
	Reason revocation.Reason
}

// list takes what is on record of revocation lists.
func (b *reader) list(l transcript.Line) error {
	found := List{Of: b.Record, Line: l.Seq}
	switch r := l.Record.(type) {
	case transcript.CRLIntent:
		b.lists[l.Seq] = r
		return nil
	case transcript.CRL:
		in := b.lists[r.Intent]
		found.Name, found.Signer, found.Family, found.DER = in.Name, in.Signer, in.Family, r.List
	case transcript.CRLCarried:
		found.Signer, found.Family, found.DER = r.Signer, r.Family, r.List
	}
	var err error
	if found.RevocationList, err = x509.ParseRevocationList(found.DER); err != nil || found.Number == nil {
		return fmt.Errorf("%s:%d: not a revocation list with a number", b.Source.Name, l.Seq)
	}
	b.Lists = append(b.Lists, found)
	for _, e := range found.RevokedCertificateEntries {
		s, ok := SerialOf(e.SerialNumber)
		if !ok {
			return fmt.Errorf("%s:%d: a revoked serial number has more than %d octets", b.Source.Name, l.Seq, len(Serial{}))
		}
		b.revoked[s] = Revocation{At: e.RevocationTime.UTC(), Reason: revocation.OfCode(e.ReasonCode)}
	}
	return nil
}

// Revoked says whether a list of this record has a serial number, and why.
func (r *Record) Revoked(s Serial) (Revocation, bool) {
	is, ok := r.revoked[s]
	return is, ok
}

// Revocations yields everything that any list of these records has, the newest
// ceremony's word first.
func (h *History) Revocations() iter.Seq2[Serial, Revocation] {
	return func(yield func(Serial, Revocation) bool) {
		for _, r := range h.all() {
			for s, is := range r.revoked {
				if !yield(s, is) {
					return
				}
			}
		}
	}
}
