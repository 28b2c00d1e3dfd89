package inventory

import (
	"cmp"
	"crypto/x509"
	"fmt"
	"io"
	"maps"
	"slices"
	"unique"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/revocation"
	"officiant/ceremony/transcript"
)

// Record is what one transcript tells.
type Record struct {
	Open    transcript.Open
	Head    fingerprint.SHA256
	entries []*Entry // in the order of their intents
	// Authorities that the cluster goes on with; empty: not said.
	authorities []transcript.Standing
	revoked     map[[serialBytes]byte]*Revocation
}

// Read reads a transcript, finished or not, line by line: what it holds in the
// end are the entries. file is for messages; the error of a transcript that is
// not whole is a *transcript.Broken.
func Read(file string, r io.Reader) (*Record, error) {
	record := &Record{revoked: map[[serialBytes]byte]*Revocation{}}
	lists := map[int]transcript.CRLIntent{}
	open := map[int]*intent{}
	for l, err := range transcript.Scan(file, r) {
		if err != nil {
			return nil, err
		}
		record.Head = l.Hash
		switch r := l.Record.(type) {
		case transcript.Open:
			record.Open = r
		case transcript.Intent:
			i := &intent{r, &Entry{of: &record.Open, state: abandoned}}
			open[l.Seq] = i
			record.entries = append(record.entries, i.entry)
		case transcript.Issued:
			i := open[r.Intent]
			delete(open, r.Intent)
			i.entry.fill(i.Intent, l.Certificate)
			i.entry.state, i.entry.sha256 = current, fingerprint.Of(r.Certificate)
		case transcript.Received:
			record.received(r)
		case transcript.IssuingClosed:
			record.authorities = r.Authorities
		case transcript.CRLIntent:
			lists[l.Seq] = r
		case transcript.CRL:
			record.list(lists[r.Intent], r.List)
		case transcript.CRLCarried:
			record.revoke(r.List)
		}
	}
	for _, seq := range slices.Sorted(maps.Keys(open)) {
		i := open[seq]
		c, err := x509.ParseCertificate(unsigned(i.TBS))
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %s: %w", file, seq, i.Name, err)
		}
		i.entry.fill(i.Intent, c)
	}
	return record, nil
}

// External is who signed a certificate of an authority below a root that lives elsewhere.
const External = "external"

// received takes the authorities' certificates that others signed.
func (record *Record) received(r transcript.Received) {
	for _, c := range r.Certificates {
		cert, _, err := c.Parse()
		if err != nil {
			continue // transcript.Scan has parsed it
		}
		e := &Entry{of: &record.Open, state: current, sha256: fingerprint.Of(c.Certificate)}
		e.fill(transcript.Intent{Name: c.Name, Signer: External}, cert)
		record.entries = append(record.entries, e)
	}
}

// list takes a revocation list that was signed.
func (record *Record) list(r transcript.CRLIntent, der []byte) {
	l := record.revoke(der)
	if l == nil {
		return // transcript.Scan has parsed it
	}
	e := &Entry{of: &record.Open, name: r.Name, authority: unique.Make(r.Signer), subject: l.Issuer.String(), kind: crl, state: current,
		sha256: fingerprint.Of(der), notBefore: l.ThisUpdate.Unix(), notAfter: l.NextUpdate.Unix()}
	l.Number.FillBytes(e.serial[:])
	record.entries = append(record.entries, e)
}

// revoke takes what a list says.
func (record *Record) revoke(der []byte) *x509.RevocationList {
	l, err := x509.ParseRevocationList(der)
	if err != nil {
		return nil
	}
	for _, e := range l.RevokedCertificateEntries {
		var serial [serialBytes]byte
		e.SerialNumber.FillBytes(serial[:])
		record.revoked[serial] = &Revocation{e.RevocationTime.UTC(), revocation.OfCode(e.ReasonCode)}
	}
	return l
}

// intent has no result yet.
type intent struct {
	transcript.Intent
	entry *Entry
}

// List is what several transcripts tell together, oldest first. Rehearsals tell
// of nothing real, and are an error. The same transcript twice counts once.
func List(records ...*Record) ([]*Entry, error) {
	records = slices.Clone(records)
	slices.SortStableFunc(records, func(a, b *Record) int {
		return cmp.Or(cmp.Compare(a.Open.Cluster, b.Open.Cluster), cmp.Compare(a.Open.Sequence, b.Open.Sequence))
	})
	var list []*Entry
	heads := map[fingerprint.SHA256]bool{}
	for _, r := range records {
		if heads[r.Head] {
			continue
		}
		heads[r.Head] = true
		if r.Open.Rehearsal {
			return nil, fmt.Errorf("ceremony %s is a rehearsal: what it issued is for nobody", r.Open.Name)
		}
		list = append(list, r.entries...)
	}
	supersede(list)
	drop(list, records)
	for _, r := range records {
		if len(r.revoked) == 0 {
			continue
		}
		for _, e := range list {
			if is := r.revoked[e.serial]; is != nil && e.kind != crl {
				e.state, e.revocation = revoked, is
			}
		}
	}
	return list, nil
}

// drop marks the authorities, and their revocation lists, that the last ceremony of their cluster does not go
// on with: nodes trust them no more. A root may be another cluster's, too. The
// records are in the order of their ceremonies.
func drop(list []*Entry, records []*Record) {
	last := map[string]*Record{} // of a cluster
	for _, r := range records {
		if len(r.authorities) > 0 {
			last[r.Open.Cluster] = r
		}
	}
	for _, e := range list {
		r := last[e.of.Cluster]
		if r == nil || e.kind == leaf || e.state != current || e.of.Sequence > r.Open.Sequence {
			continue
		}
		name := e.name
		if e.kind == crl {
			name = e.authority.Value()
		}
		stands := r.stands(name)
		for _, other := range last {
			stands = stands || e.kind == root && other.stands(name)
		}
		if !stands {
			e.state = dropped
		}
	}
}

func (record *Record) stands(authority string) bool {
	return slices.ContainsFunc(record.authorities, func(s transcript.Standing) bool { return s.Name == authority })
}

// Missing names the ceremonies that some of these continue and that are not
// among them: an inventory without them is not whole.
func Missing(records ...*Record) []string {
	heads := map[fingerprint.SHA256]bool{}
	for _, r := range records {
		heads[r.Head] = true
	}
	var missing []string
	for _, r := range records {
		for _, p := range r.Open.Predecessors {
			name := fmt.Sprintf("ceremony %d of cluster %s", p.Sequence, p.Cluster)
			if !heads[p.Head] && !slices.Contains(missing, name) {
				missing = append(missing, name)
			}
		}
	}
	return missing
}

// Lost names the ceremonies whose records are gone, by those of these that say so: what
// they issued is in no inventory.
func Lost(records ...*Record) []string {
	var lost []string
	for _, r := range records {
		if l := r.Open.Lost; l != nil {
			lost = append(lost, fmt.Sprintf("ceremonies 1 to %d of cluster %s (%s)", l.Sequence, r.Open.Cluster, l.Reason))
		}
	}
	return lost
}

// Forked names the ceremonies of which these tell two different stories: the
// chain was forked, or an unfinished copy lies beside the finished one.
func Forked(records ...*Record) []string {
	heads := map[string]fingerprint.SHA256{}
	var forked []string
	for _, r := range records {
		name := fmt.Sprintf("ceremony %d of cluster %s", r.Open.Sequence, r.Open.Cluster)
		if head, ok := heads[name]; ok && head != r.Head && !slices.Contains(forked, name) {
			forked = append(forked, name)
		}
		heads[name] = r.Head
	}
	return forked
}

// supersede marks all but the newest of each name in a cluster; the list is in
// the order of its ceremonies.
func supersede(list []*Entry) {
	newest := map[string]*Entry{} // of one cluster
	for n, e := range list {
		if n > 0 && e.of.Cluster != list[n-1].of.Cluster {
			clear(newest)
		}
		if e.state != current {
			continue
		}
		if older := newest[e.name]; older != nil {
			older.state = superseded
		}
		newest[e.name] = e
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
