package inventory

import (
	"cmp"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/history"
	"officiant/ceremony/transcript"
)

// Record is what one transcript tells, and the texts of its certificates.
type Record struct {
	*history.Record
	texts       []texts        // in the order of its certificates
	authorities map[issuer]int // the last place of an authority's certificate among them
	online      []online
}

// issuer is who a certificate says has signed it: one name may have had two keys.
type issuer struct{ name, keyID string }

// texts are what a list shows of a certificate, and nobody else asks for.
type texts struct {
	subject string
	names   []string
}

// Read reads a transcript, finished or not, line by line: what it holds in the
// end are the entries. The error of a transcript that is not whole is a
// *transcript.Broken.
func Read(s history.Source) (*Record, error) {
	record := &Record{authorities: map[issuer]int{}}
	var err error
	record.Record, err = history.ReadEach(s, func(n int, c *x509.Certificate) {
		for len(record.texts) <= n {
			record.texts = append(record.texts, texts{})
		}
		record.texts[n] = textsOf(c)
		if c.IsCA {
			record.authorities[issuer{string(c.RawSubject), string(c.SubjectKeyId)}] = n
		}
	})
	if err != nil {
		return nil, err
	}
	return record, record.journals()
}

func textsOf(c *x509.Certificate) texts {
	t := texts{subject: c.Subject.String(), names: c.DNSNames}
	for _, ip := range c.IPAddresses {
		t.names = append(t.names, ip.String())
	}
	return t
}

// External is who signed a certificate of an authority below an external root.
const External = history.External

// entries are what a record lists: certificates that were to be signed, and
// revocation lists that were. Those it adopted, no ceremony made.
func (record *Record) entries() []*Entry {
	list := make([]*Entry, 0, len(record.texts))
	n := 0
	for c := range record.Certificates() {
		if c.State != history.Adopted {
			e := newEntry(record, c, n)
			if record.Abandonment != nil {
				e.state = abandoned // nothing is in use of what was issued, and nothing is made anew by it
			}
			list = append(list, e)
		}
		n++
	}
	for i, l := range record.Lists {
		if l.Name != "" { // made here
			e := &Entry{of: record, n: int32(i), kind: crl, notAfter: l.NextUpdate.Unix()}
			if record.Abandonment != nil {
				e.state = abandoned
			}
			list = append(list, e)
		}
	}
	return append(list, record.onlineEntries()...)
}

// List joins several transcripts, oldest first. Rehearsals are an error, because nothing
// in them is real. A transcript given twice counts once.
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
		list = append(list, r.entries()...)
	}
	attribute(list, records)
	supersede(list)
	drop(list, records)
	leave(list, records)
	revoke(list, records)
	return list, nil
}

// attribute names the authority on record that signed what online signers have: their
// grants have names of their own, and one that no ceremony made may have that of another.
func attribute(list []*Entry, records []*Record) {
	names := map[string]map[issuer]string{} // of a cluster's authorities
	for _, r := range records {
		if names[r.Open.Cluster] == nil {
			names[r.Open.Cluster] = map[issuer]string{}
		}
		for by, n := range r.authorities {
			names[r.Open.Cluster][by] = r.At(n).Name
		}
	}
	for _, e := range list {
		if !e.online {
			continue
		}
		o := &e.of.online[e.n]
		if name := names[e.of.Open.Cluster][*o.issuer]; name != "" {
			o.authority = name
		}
	}
}

// revoke marks what is on any of the records' lists.
func revoke(list []*Entry, records []*Record) {
	for _, r := range records {
		if len(r.Lists) == 0 {
			continue
		}
		for _, e := range list {
			if e.kind == crl {
				continue
			}
			if is, ok := r.Revoked(e.serial()); ok {
				e.state, e.revocation = revoked, &Revocation{is.At, is.Reason}
			}
		}
	}
}

// leave marks what a node has that a later ceremony names as gone. What a ceremony
// issues to it after that, it has again. The list and the records are in the order
// of their ceremonies.
func leave(list []*Entry, records []*Record) {
	gone := map[string]map[string]int{} // by cluster and node, the sequence that says so
	for _, r := range records {
		for _, node := range r.Left {
			if gone[r.Open.Cluster] == nil {
				gone[r.Open.Cluster] = map[string]int{}
			}
			gone[r.Open.Cluster][node] = r.Open.Sequence
		}
	}
	for _, e := range list {
		if e.kind != leaf || !e.inUse() || gone[e.of.Open.Cluster] == nil {
			continue
		}
		node, _, _ := strings.Cut(e.name(), "/")
		if said, ok := gone[e.of.Open.Cluster][node]; ok && e.of.Open.Sequence < said {
			e.state = left
		}
	}
}

// drop marks the authorities, and their revocation lists, that the last ceremony of
// their cluster does not go on with: nodes trust them no more. A root may be another
// cluster's, too. The records are in the order of their ceremonies.
func drop(list []*Entry, records []*Record) {
	last := map[string]*Record{} // of a cluster
	for _, r := range records {
		if len(r.Standing) > 0 {
			last[r.Open.Cluster] = r
		}
	}
	for _, e := range list {
		r := last[e.of.Open.Cluster]
		if r == nil || e.kind == leaf || e.state != current || e.of.Open.Sequence > r.Open.Sequence {
			continue
		}
		name := e.name()
		if e.kind == crl {
			name = e.authority()
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
	return slices.ContainsFunc(record.Standing, func(s transcript.Standing) bool { return s.Name == authority })
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

// Forked names the ceremonies on which these records disagree: the chain was forked, or an
// unfinished copy is beside the finished one.
func Forked(records ...*Record) []string {
	heads := map[string]fingerprint.SHA256{}
	var forked []string
	for _, r := range records {
		if r.AbandonmentClosed {
			continue // another one has its number
		}
		name := r.String()
		if head, ok := heads[name]; ok && head != r.Head && !slices.Contains(forked, name) {
			forked = append(forked, name)
		}
		heads[name] = r.Head
	}
	return forked
}

// inUse says whether an entry may be the newest of its name.
func (e *Entry) inUse() bool { return e.state == current || e.state == rotating }

// supersede marks all but the newest of each name in a cluster; the list is in
// the order of its ceremonies.
func supersede(list []*Entry) {
	newest := map[string]*Entry{} // of one cluster
	for n, e := range list {
		if n > 0 && e.of.Open.Cluster != list[n-1].of.Open.Cluster {
			clear(newest)
		}
		if !e.inUse() {
			continue
		}
		name := e.name()
		if older := newest[name]; older != nil {
			older.state = superseded
		}
		newest[name] = e
	}
}
