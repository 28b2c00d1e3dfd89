package history

import (
	"cmp"
	"crypto/x509"
	"iter"
	"slices"
	"strings"
	"time"

	"officiant/bundle/fingerprint"
)

// row is a certificate as a record keeps it: there may be hundreds of thousands.
type row struct {
	node, file          uint32 // indexes of the names
	signer, issuer      uint32
	size                uint32
	offset              int64
	notBefore, notAfter int64 // seconds since 1970
	serial              Serial
	spki, sha256        fingerprint.SHA256
	state               State
	ca, self            bool
}

// chunk is how many rows lie together: a table grows without being copied.
const chunk = 1 << 12

// table holds a record's certificates in the order of their intents.
type table struct {
	chunks  [][]row
	n       int
	names   []string // of nodes, files and signers
	issuers []Issuer
	each    func(n int, c *x509.Certificate)
	index   map[string]uint32 // of names and issuers, while the record is read
	byName  []uint32          // rows sorted by name, then by their order
	serials []uint32          // rows sorted by serial number
	sums    []uint32          // rows sorted by SHA-256
}

func (t *table) row(i uint32) *row { return &t.chunks[i/chunk][i%chunk] }

// add makes room for one more and returns its number.
func (t *table) add() uint32 {
	if t.n%chunk == 0 {
		t.chunks = append(t.chunks, make([]row, 0, chunk))
	}
	last := &t.chunks[len(t.chunks)-1]
	*last = append(*last, row{})
	t.n++
	return uint32(t.n - 1)
}

// intern numbers a name.
func (t *table) intern(name string) uint32 {
	if i, ok := t.index[name]; ok {
		return i
	}
	i := uint32(len(t.names))
	name = strings.Clone(name) // it may be a part of a long line
	t.names = append(t.names, name)
	t.index[name] = i
	return i
}

func (t *table) internIssuer(c *x509.Certificate) uint32 {
	key := "\x00" + string(c.RawIssuer) + "\x00" + string(c.AuthorityKeyId)
	if i, ok := t.index[key]; ok {
		return i
	}
	i := uint32(len(t.issuers))
	t.issuers = append(t.issuers, Issuer{Name: slices.Clone(c.RawIssuer), KeyID: slices.Clone(c.AuthorityKeyId)})
	t.index[key] = i
	return i
}

// fill takes what a certificate says, signed or not.
func (t *table) fill(i uint32, name, signer string, state State, c *x509.Certificate) {
	r := t.row(i)
	node, file, leaf := strings.Cut(name, "/")
	if !leaf {
		node, file = "", name
	}
	r.node, r.file, r.signer, r.issuer = t.intern(node), t.intern(file), t.intern(signer), t.internIssuer(c)
	r.state, r.ca, r.self = state, c.IsCA, string(c.RawSubject) == string(c.RawIssuer)
	r.serial, _ = SerialOf(c.SerialNumber) // transcript has seen to its size
	r.spki = fingerprint.Of(c.RawSubjectPublicKeyInfo)
	r.notBefore, r.notAfter = c.NotBefore.Unix(), c.NotAfter.Unix()
	if state != Abandoned {
		r.sha256 = fingerprint.Of(c.Raw)
	}
	if t.each != nil {
		t.each(int(i), c)
	}
}

// seal ends reading: names are looked up from now on, and none is added.
func (t *table) seal() {
	t.index, t.each = nil, nil
	t.byName = t.sorted(t.compareNames)
	t.serials = t.sorted(func(a, b *row) int { return cmp.Compare(string(a.serial[:]), string(b.serial[:])) })
	t.sums = t.sorted(func(a, b *row) int { return cmp.Compare(string(a.sha256[:]), string(b.sha256[:])) })
}

func (t *table) compareNames(a, b *row) int {
	return cmp.Or(strings.Compare(t.names[a.node], t.names[b.node]), strings.Compare(t.names[a.file], t.names[b.file]))
}

func (t *table) sorted(compare func(a, b *row) int) []uint32 {
	out := make([]uint32, t.n)
	for i := range out {
		out[i] = uint32(i)
	}
	slices.SortStableFunc(out, func(a, b uint32) int { return compare(t.row(a), t.row(b)) })
	return out
}

// named yields the rows of one node, or, where file is given, of one name.
func (t *table) named(node, file string) iter.Seq[uint32] {
	compare := func(i uint32) int {
		r := t.row(i)
		c := strings.Compare(t.names[r.node], node)
		if c == 0 && file != "" {
			c = strings.Compare(t.names[r.file], file)
		}
		return c
	}
	return equal(t.byName, compare)
}

// equal yields the elements of a sorted list for which compare is zero.
func equal(list []uint32, compare func(uint32) int) iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		at, _ := slices.BinarySearchFunc(list, 0, func(i uint32, _ int) int {
			return cmp.Or(compare(i), 1) // the first that is not less
		})
		for ; at < len(list) && compare(list[at]) == 0; at++ {
			if !yield(list[at]) {
				return
			}
		}
	}
}

// certificate is a row as others see it.
func (r *Record) certificate(i uint32) Certificate {
	t, w := &r.table, r.table.row(i)
	name := t.names[w.file]
	if node := t.names[w.node]; node != "" {
		name = node + "/" + name
	}
	return Certificate{
		Of:         r,
		Name:       name,
		Signer:     t.names[w.signer],
		State:      w.state,
		Issuer:     &t.issuers[w.issuer],
		CA:         w.ca,
		SelfIssued: w.self,
		Serial:     w.serial,
		SPKI:       w.spki,
		SHA256:     w.sha256,
		NotBefore: time.Unix(w.notBefore, 0).
			UTC(),
		NotAfter: time.Unix(w.notAfter, 0).UTC(),
		offset:   w.offset,
		size:     int(w.size),
	}
}

// name yields the rows of one name.
func (t *table) name(name string) iter.Seq[uint32] {
	if node, file, leaf := strings.Cut(name, "/"); leaf {
		return t.named(node, file)
	}
	return t.named("", name)
}
