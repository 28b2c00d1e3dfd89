package history

import (
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"io"
	"iter"
	"slices"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/transcript"
)

// Record is what the record of one ceremony says.
type Record struct {
	Source Source
	Open   transcript.Open // the first line
	Began  time.Time       // when that was written
	Ended  time.Time       // when the last line was written
	Head   fingerprint.SHA256
	SHA256 fingerprint.SHA256 // of the whole text
	// Closed is the last line of a finished ceremony; nil: it is unfinished.
	Closed *transcript.Closed
	// Signed says that the release key's signature over the record was at hand, and
	// holds. That the key is the cluster's, only a pin tells, or the ceremony before.
	Signed bool

	Openings []Opening              // keys that were made or opened, each once, in order
	Intents  []transcript.KeyIntent // to make keys
	// Abandonment closes a ceremony that will not be finished; nil: it is none.
	Abandonment *transcript.Abandonment
	// AbandonmentClosed says that it has come to its end: no key is to be destroyed still.
	AbandonmentClosed bool
	Standing          []transcript.Standing // authorities the cluster goes on with; nil: not said
	Left              []string              // nodes that are gone for good, as the plan says
	Lists             []List                // revocation lists, made and carried over
	Accounts          *transcript.AccountKeys
	Shared            []transcript.Shared
	NodeKeys          []transcript.NodeKeys
	Received          *transcript.Received // what an external root certified; nil: nothing

	table   table
	revoked map[Serial]Revocation
}

// Opening says that a ceremony opened a key, or made it.
type Opening struct {
	Of   *Record
	Time time.Time
	transcript.Key
}

// String names the ceremony as people do.
func (r *Record) String() string {
	return fmt.Sprintf("ceremony %d of cluster %s", r.Open.Sequence, r.Open.Cluster)
}

// Where names the ceremony, and the directory or file its record is in.
func (r *Record) Where() string {
	where := r.Source.Dir
	if where == "" {
		where = r.Source.Name
	}
	return fmt.Sprintf("%s (%s)", where, r)
}

// Outlasting says whether a ceremony that was abandoned left certificates, or may have,
// by a key that was not destroyed with it: what it opened, and what was kept.
func (r *Record) Outlasting() bool {
	if !r.AbandonmentClosed {
		return false
	}
	destroyed := map[string]bool{}
	for _, k := range r.Abandonment.Keys {
		destroyed[k.Name] = k.Kept == ""
	}
	for c := range r.Certificates() {
		if (c.State == Issued || c.State == Abandoned) && !destroyed[c.Signer] {
			return true
		}
	}
	return false
}

// Certificates yields all certificates, in the order of their intents.
func (r *Record) Certificates() iter.Seq[Certificate] {
	return func(yield func(Certificate) bool) {
		for i := range r.table.n {
			if !yield(r.certificate(uint32(i))) {
				return
			}
		}
	}
}

// At is the certificate at a place among Certificates, from 0.
func (r *Record) At(n int) Certificate { return r.certificate(uint32(n)) }

// Named yields the certificates of that name, oldest first: "cp-1/apiserver".
func (r *Record) Named(name string) iter.Seq[Certificate] {
	return r.each(r.table.name(name))
}

// Of yields the certificates of a node, by name, oldest first.
func (r *Record) Of(node string) iter.Seq[Certificate] { return r.each(r.table.named(node, "")) }

// WithSerial yields the certificates of that serial number: one, unless two
// issuers outside chose the same.
func (r *Record) WithSerial(s Serial) iter.Seq[Certificate] {
	t := &r.table
	return r.each(equal(t.serials, func(i uint32) int { return slices.Compare(t.row(i).serial[:], s[:]) }))
}

// WithSHA256 finds a certificate by its digest.
func (r *Record) WithSHA256(sum fingerprint.SHA256) (Certificate, bool) {
	t := &r.table
	for c := range r.each(equal(t.sums, func(i uint32) int { return slices.Compare(t.row(i).sha256[:], sum[:]) })) {
		if c.State != Abandoned {
			return c, true
		}
	}
	return Certificate{}, false
}

func (r *Record) each(rows iter.Seq[uint32]) iter.Seq[Certificate] {
	return func(yield func(Certificate) bool) {
		for i := range rows {
			if !yield(r.certificate(i)) {
				return
			}
		}
	}
}

// Opened finds the opening of a key by its public key.
func (r *Record) Opened(spki fingerprint.SHA256) (Opening, bool) {
	i := slices.IndexFunc(r.Openings, func(o Opening) bool { return o.SPKI == spki })
	if i < 0 {
		return Opening{}, false
	}
	return r.Openings[i], true
}

// Opening finds the opening of a key by its name.
func (r *Record) Opening(name string) (Opening, bool) {
	i := slices.IndexFunc(r.Openings, func(o Opening) bool { return o.Name == name })
	if i < 0 {
		return Opening{}, false
	}
	return r.Openings[i], true
}

// Continues says whether the first line names another record's ceremony.
func (r *Record) Continues(other *Record) bool {
	return slices.Contains(r.Open.Predecessors, transcript.Predecessor{
		Cluster: other.Open.Cluster, Sequence: other.Open.Sequence, Head: other.Head,
	})
}

// predecessor is the ceremony of its own cluster that this one continues.
func (r *Record) predecessor() (transcript.Predecessor, bool) {
	for _, p := range r.Open.Predecessors {
		if p.Cluster == r.Open.Cluster {
			return p, true
		}
	}
	return transcript.Predecessor{}, false
}

// Read reads a record from its first line to its last, whether the ceremony is
// finished or not. The error of one that is not whole is a *transcript.Broken.
func Read(s Source) (*Record, error) { return ReadEach(s, nil) }

// ReadEach is Read for callers that keep more of a certificate than a Record does. each is
// called once for every certificate, with its index in Certificates, from 0, in
// the order of results. An abandoned certificate has no signature.
func ReadEach(s Source, each func(n int, c *x509.Certificate)) (*Record, error) {
	f, err := s.Open()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	sum := sha256.New()
	b := &reader{
		Record: &Record{Source: s, revoked: map[Serial]Revocation{}, table: table{index: map[string]uint32{}, each: each}},
		open:   map[int]intended{}, lists: map[int]transcript.CRLIntent{},
	}
	for l, err := range transcript.Scan(s.Name, io.TeeReader(f, sum)) {
		if err == nil {
			err = b.take(l)
		}
		if err != nil {
			return nil, err
		}
	}
	for seq, i := range b.open { // what an unfinished record intends last
		if err := b.abandon(seq, i); err != nil {
			return nil, err
		}
	}
	b.table.seal()
	b.SHA256 = fingerprint.SHA256(sum.Sum(nil))
	if err := b.signature(b.SHA256); err != nil {
		return nil, err
	}
	return b.Record, nil
}

// reader is a record that is being read.
type reader struct {
	*Record
	lines int              // so far
	open  map[int]intended // intents without a result, by seq
	lists map[int]transcript.CRLIntent
}

type intended struct {
	transcript.Intent
	row uint32
}

func (b *reader) take(l transcript.Line) error {
	b.Head, b.Ended, b.lines = l.Hash, l.Time, l.Seq
	switch r := l.Record.(type) {
	case transcript.Open:
		b.Open, b.Began = r, l.Time
	case transcript.Key:
		if _, again := b.Opened(r.SPKI); !again {
			b.Openings = append(b.Openings, Opening{Of: b.Record, Time: l.Time, Key: r})
		}
	case transcript.KeyIntent:
		b.Intents = append(b.Intents, r)
	case transcript.Abandonment:
		b.Abandonment = &r
	case transcript.AbandonmentClosed:
		b.AbandonmentClosed = true
	case transcript.Intent:
		b.open[l.Seq] = intended{r, b.table.add()}
	case transcript.Issued:
		i := b.open[r.Intent]
		delete(b.open, r.Intent)
		b.table.fill(i.row, i.Name, i.Signer, Issued, l.Certificate)
		b.table.at(i.row, l)
	case transcript.Abandoned:
		if i, ok := b.open[r.Intent]; ok {
			return b.abandon(r.Intent, i)
		}
	case transcript.Received:
		b.Received = &r
		return b.received(l, r)
	case transcript.Adopted:
		return b.adopted(l, r)
	case transcript.IssuingClosed:
		b.Standing, b.Left = r.Authorities, r.Left
	case transcript.CRLIntent, transcript.CRL, transcript.CRLCarried:
		return b.list(l)
	case transcript.Sealed:
		b.account(r)
	case transcript.Carried:
		b.account(transcript.Sealed(r))
	case transcript.Shared:
		b.Shared = append(b.Shared, r)
	case transcript.NodeKeys:
		b.NodeKeys = append(b.NodeKeys, r)
	case transcript.Closed:
		b.Closed = &r
	}
	return nil
}

// at remembers where the certificate stands.
func (t *table) at(i uint32, l transcript.Line) {
	t.row(i).offset, t.row(i).size = l.Offset, uint32(l.Size)
}

// abandon fills in what was intended, and may have been signed.
func (b *reader) abandon(seq int, i intended) error {
	delete(b.open, seq)
	c, err := x509.ParseCertificate(unsigned(i.TBS))
	if err != nil {
		return fmt.Errorf("%s:%d: %s: %w", b.Source.Name, seq, i.Name, err)
	}
	b.table.fill(i.row, i.Name, i.Signer, Abandoned, c)
	return nil
}

func (b *reader) received(l transcript.Line, r transcript.Received) error {
	for _, one := range r.Certificates {
		c, _, err := one.Parse()
		if err != nil {
			return fmt.Errorf("%s:%d: %w", b.Source.Name, l.Seq, err)
		}
		i := b.table.add()
		b.table.fill(i, one.Name, External, Received, c)
		b.table.at(i, l)
	}
	return nil
}

func (b *reader) adopted(l transcript.Line, r transcript.Adopted) error {
	c, err := x509.ParseCertificate(r.Certificate)
	if err != nil {
		return fmt.Errorf("%s:%d: %w", b.Source.Name, l.Seq, err)
	}
	if _, ok := SerialOf(c.SerialNumber); !ok {
		return fmt.Errorf(
			"%s:%d: adopted %s: its serial number has more than %d octets",
			b.Source.Name,
			l.Seq,
			r.Name,
			len(Serial{}),
		)
	}
	i := b.table.add()
	b.table.fill(i, r.Name, "", Adopted, c)
	b.table.at(i, l)
	return nil
}

func (b *reader) account(s transcript.Sealed) {
	if b.Accounts == nil {
		b.Accounts = &transcript.AccountKeys{}
	}
	if s.Secret == transcript.NextServiceAccount {
		b.Accounts.Next = &s
		return
	}
	b.Accounts.InUse = s
}

// What records say in transcript's own words, for those who read records here alone.
type (
	Broken      = transcript.Broken      // why a record is not whole, and where
	Sealed      = transcript.Sealed      // a secret that was sealed
	AccountKeys = transcript.AccountKeys // the service-account pairs
	Predecessor = transcript.Predecessor // a ceremony that is continued, as a first line names it
	Journal     = transcript.Journal     // how far an online signer's journal is on record
)
