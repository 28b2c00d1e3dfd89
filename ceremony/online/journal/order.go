package journal

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/chain"
	"officiant/signer"
)

const day = 24 * time.Hour

// use is what a key was certified as.
type use struct{ subject, signer string }

// intended is an intent without a result.
type intended struct {
	Intent
	at time.Time
}

// found says where a content's certificate stands in the file.
type found struct {
	offset   int64
	size     int32
	notAfter int64 // seconds since 1970, when it is over
}

func (f found) over(at time.Time) bool { return at.Unix() >= f.notAfter }

// order holds what the lines so far allow the next one to be. Reader and writer share
// it, so that nothing can be written that cannot be read.
type order struct {
	seq      int
	size     int64 // of the lines so far
	last     time.Time
	head     fingerprint.SHA256
	cluster  string
	key      crypto.PublicKey
	grant    Grant
	open     map[int]intended
	contents map[fingerprint.SHA256]found // without those that are long over
	sweep    int                          // how many contents there are when that is seen to again
	pending  map[fingerprint.SHA256]bool  // contents of open intents
	keys     map[fingerprint.SHA256]*use
	uses     map[use]*use // one of each: there are few, and many keys
	serials  map[[20]byte]struct{}
	signed   map[string][]time.Time // by subject: of the last day
	spent    map[string]bool        // bootstrap users, by subject
	signedTo int                    // seq of the last line that a head is about
}

func newOrder() *order {
	return &order{open: map[int]intended{}, contents: map[fingerprint.SHA256]found{},
		pending: map[fingerprint.SHA256]bool{}, keys: map[fingerprint.SHA256]*use{}, uses: map[use]*use{},
		serials: map[[20]byte]struct{}{}, signed: map[string][]time.Time{}, spent: map[string]bool{}}
}

// next takes a line of size bytes as the next one, or says why it cannot be.
func (o *order) next(l chain.Line, size int) error {
	switch {
	case l.Seq != o.seq+1:
		return fmt.Errorf("seq is %d, expected %d", l.Seq, o.seq+1)
	case l.Prev != o.head:
		return errors.New("prev is not the hash of the line before")
	case l.Time.Before(o.last):
		return errors.New("time is earlier than the line before")
	case l.Step != 0:
		return errors.New("a journal has no steps")
	}
	if _, first := l.Record.(Open); first != (l.Seq == 1) {
		return errors.New("the first line, and no other, is of type open")
	}
	if err := o.record(l, size); err != nil {
		return fmt.Errorf("%s: %w", l.Record.Type(), err)
	}
	o.seq, o.last, o.head, o.size = l.Seq, l.Time, l.Hash, o.size+int64(size)
	return nil
}

func (o *order) record(l chain.Line, size int) error {
	switch r := l.Record.(type) {
	case Open:
		return o.begin(r)
	case Resumed:
		if r.Head != o.head {
			return errors.New("head is not the hash of the line before")
		}
	case Grant:
		if r.Sequence < 1 || r.Sequence < o.grant.Sequence {
			return fmt.Errorf("sequence %d after %d", r.Sequence, o.grant.Sequence)
		}
		if r.Sequence == o.grant.Sequence && r.SHA256 != o.grant.SHA256 {
			return fmt.Errorf("another file of sequence %d than before", r.Sequence)
		}
		o.grant = r
	case Intent:
		return o.intend(l, r)
	case Issued:
		return o.issue(l, r, size)
	case Abandoned:
		in, ok := o.open[r.Intent]
		if !ok {
			return fmt.Errorf("line %d is not an open intent", r.Intent)
		}
		if r.Reason == "" {
			return errors.New("there is no reason")
		}
		o.close(r.Intent, in.Intent)
		// Nothing left this process: it is none of the day's signatures, and a bootstrap user
		// has the one still to come.
		if i := slices.IndexFunc(o.signed[in.Subject], in.at.Equal); i >= 0 {
			o.signed[in.Subject] = slices.Delete(o.signed[in.Subject], i, i+1)
		}
		if in.Bootstrap {
			delete(o.spent, spending(in.Subject, in.Requester))
		}
	case Head:
		switch {
		case r.Seq != o.seq || r.Head != o.head:
			return errors.New("it is not about the line before")
		case signer.VerifyFile(o.key, Statement(o.cluster, r.Seq, r.Head), r.Signature) != nil:
			return errors.New("the signature is not the journal key's")
		}
		o.signedTo = r.Seq
	}
	return nil
}

func (o *order) begin(r Open) error {
	if r.Format != Format {
		return fmt.Errorf("format is %q, expected %s", r.Format, Format)
	}
	if r.Cluster == "" {
		return errors.New("it names no cluster")
	}
	key, err := x509.ParsePKIXPublicKey(r.PublicKey)
	if err != nil {
		return fmt.Errorf("public key: %w", err)
	}
	o.cluster, o.key = r.Cluster, key
	return nil
}

func (o *order) intend(l chain.Line, r Intent) error {
	serial, err := serialOf(r.TBS)
	if err != nil {
		return err
	}
	is := use{r.Subject, r.SignerName}
	before, used := o.keys[r.SPKI]
	_, again := o.serials[serial]
	valid, had := o.contents[r.Content]
	switch {
	case o.grant.Sequence == 0:
		return errors.New("before any grant")
	case again:
		return fmt.Errorf("serial %x was used before", serial)
	case used && *before != is:
		return fmt.Errorf("the key is that of a certificate of %s by %s", before.subject, before.signer)
	case o.pending[r.Content] || had && !valid.over(l.Time):
		return errors.New("the same content is signed, or about to be")
	case r.Bootstrap && o.spent[spending(r.Subject, r.Requester)]:
		return fmt.Errorf("%s had its one certificate", r.Requester)
	}
	o.serials[serial] = struct{}{}
	if o.uses[is] == nil {
		o.uses[is] = &is
	}
	o.keys[r.SPKI] = o.uses[is]
	o.pending[r.Content] = true
	o.open[l.Seq] = intended{r, l.Time}
	if r.Bootstrap {
		o.spent[spending(r.Subject, r.Requester)] = true
	}
	o.signed[r.Subject] = append(o.recent(r.Subject, l.Time), l.Time)
	return nil
}

func spending(subject, requester string) string { return subject + "\x00" + requester }

// recent are the signatures of a subject in the day before at.
func (o *order) recent(subject string, at time.Time) []time.Time {
	list := o.signed[subject]
	for len(list) > 0 && list[0].Before(at.Add(-day)) {
		list = list[1:]
	}
	return list
}

func (o *order) close(seq int, in Intent) {
	delete(o.open, seq)
	delete(o.pending, in.Content)
}

func (o *order) issue(l chain.Line, r Issued, size int) error {
	in, ok := o.open[r.Intent]
	if !ok {
		return fmt.Errorf("line %d is not an open intent", r.Intent)
	}
	cert, err := x509.ParseCertificate(r.Certificate)
	if err != nil {
		return err
	}
	if !bytes.Equal(cert.RawTBSCertificate, in.TBS) || !bytes.Equal(cert.Raw, r.Certificate) {
		return fmt.Errorf("the certificate is not the one of line %d", r.Intent)
	}
	if fingerprint.Of(cert.RawSubjectPublicKeyInfo) != in.SPKI {
		return fmt.Errorf("the key is not the one of line %d", r.Intent)
	}
	o.close(r.Intent, in.Intent)
	if len(o.contents) >= max(o.sweep, leastSweep) {
		maps.DeleteFunc(o.contents, func(_ fingerprint.SHA256, f found) bool { return f.over(l.Time) })
		o.sweep = 2 * len(o.contents)
	}
	o.contents[in.Content] = found{o.size, int32(size), cert.NotAfter.Unix()}
	return nil
}

// leastSweep is how many contents may be there before one that is over is looked for.
const leastSweep = 1024

// serialOf is the serial number in a DER TBSCertificate.
func serialOf(tbs []byte) (serial [20]byte, err error) {
	var v struct { // RFC 5280, 4.1
		Version int `asn1:"explicit,tag:0"`
		Serial  *big.Int
		Rest    asn1.RawValue
	}
	if _, err := asn1.Unmarshal(tbs, &v); err != nil || v.Serial.Sign() <= 0 || v.Serial.BitLen() > 159 {
		return serial, errors.New("there is no TBSCertificate with a positive serial of 20 octets at most")
	}
	v.Serial.FillBytes(serial[:])
	return serial, nil
}
