package proof

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strings"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/chain"
	"officiant/ceremony/online/grant"
	"officiant/ceremony/online/journal"
	"officiant/signer"
)

const (
	longestLine = 1 << 20 // bytes: a certificate has a few KiB
	mostOpen    = 20_000  // intents without a result: as many requests as wait in a signer
)

// Certificate is one that a journal has, or one that was intended and perhaps signed.
type Certificate struct {
	Line      int            // of its result
	Intent    journal.Intent // what was asked for, and by whom
	Intended  time.Time      // when that was recorded
	Signed    *x509.Certificate
	Abandoned *x509.Certificate // without a signature: no result is on record
}

// kinds are what nodes' certificates are called, by signer name. An authority's own name
// is another one after its rollover.
var kinds = map[string]string{grant.KubeletClient: "kubelet-client", grant.KubeletServer: "kubelet-serving"}

// Name is that of a leaf: "worker-1/kubelet-serving"; for a user, "user ann".
func (c *Certificate) Name() string {
	if node, ok := strings.CutPrefix(c.Intent.Subject, "node "); ok {
		return node + "/" + cmp.Or(kinds[c.Intent.SignerName], c.Intent.Authority)
	}
	return c.Intent.Subject
}

// X509 is the certificate, with a signature or without.
func (c *Certificate) X509() *x509.Certificate {
	if c.Signed != nil {
		return c.Signed
	}
	return c.Abandoned
}

// intended is an intent without a result.
type intended struct {
	journal.Intent
	at time.Time
}

// certified is what a key was certified as.
type certified struct{ subject, signer string }

// reader holds each line against those before it, by its own code: what wrote the
// journal has its own. For each certificate it keeps some 150 bytes.
type reader struct {
	Head
	first    fingerprint.SHA256
	last     time.Time
	cluster  string
	key      crypto.PublicKey
	grant    journal.Grant
	open     map[int]intended
	wanted   map[fingerprint.SHA256]bool // contents of open intents
	until    map[fingerprint.SHA256]time.Time
	keys     map[fingerprint.SHA256]certified
	serials  map[[20]byte]struct{}
	spent    map[string]bool // subjects and bootstrap users
	signedTo int
}

func newReader() *reader {
	return &reader{open: map[int]intended{}, wanted: map[fingerprint.SHA256]bool{},
		until: map[fingerprint.SHA256]time.Time{}, keys: map[fingerprint.SHA256]certified{},
		serials: map[[20]byte]struct{}{}, spent: map[string]bool{}}
}

// read takes a journal line by line. each gets every line that may stand where it is,
// with the certificate that it settles. The error is a *journal.Broken, or each's.
func (r *reader) read(file string, from io.Reader, each func(chain.Line, *Certificate) error) error {
	lines := bufio.NewReaderSize(from, longestLine)
	broken := func(reason string) error { return &journal.Broken{File: file, Line: r.Seq + 1, Reason: reason} }
	for {
		raw, err := lines.ReadSlice('\n')
		switch {
		case err == io.EOF && len(raw) == 0 && r.Seq > 0:
			return nil
		case err == io.EOF:
			return broken("line is not ended by a newline: start the signer, which settles it, and stop it")
		case errors.Is(err, bufio.ErrBufferFull):
			return broken(fmt.Sprintf("line is longer than %d bytes", longestLine))
		case err != nil:
			return fmt.Errorf("%s: %w", file, err)
		}
		l, err := journal.Records.Decode(raw[:len(raw)-1])
		if err != nil {
			return broken(err.Error())
		}
		c, err := r.line(l)
		if err != nil {
			return broken(err.Error())
		}
		if err := each(l, c); err != nil {
			return err
		}
	}
}

func (r *reader) line(l chain.Line) (c *Certificate, err error) {
	open, first := l.Record.(journal.Open)
	switch {
	case l.Seq != r.Seq+1:
		return nil, fmt.Errorf("its seq is %d, and it is line %d", l.Seq, r.Seq+1)
	case l.Prev != r.Hash:
		return nil, errors.New("its prev is not the hash of the line before")
	case l.Time.Before(r.last):
		return nil, errors.New("its time is before that of the line before")
	case l.Step != 0:
		return nil, errors.New("its step is not 0")
	case first != (l.Seq == 1):
		return nil, errors.New("the first line, and no other, is of type open")
	}
	switch rec := l.Record.(type) {
	case journal.Open:
		r.first = l.Hash
		err = r.begin(open)
	case journal.Resumed:
		if rec.Head != r.Hash {
			err = errors.New("resumed: its head is not the line before")
		}
	case journal.Grant:
		switch before := r.grant; {
		case rec.Sequence < max(1, before.Sequence):
			err = fmt.Errorf("grant: sequence %d after %d", rec.Sequence, before.Sequence)
		case rec.Sequence == before.Sequence && rec.SHA256 != before.SHA256:
			err = fmt.Errorf("grant: another file of sequence %d than before", rec.Sequence)
		}
		r.grant = rec
	case journal.Intent:
		err = r.intend(l, rec)
	case journal.Issued:
		c, err = r.issued(l.Seq, rec)
	case journal.Abandoned:
		c, err = r.abandoned(l.Seq, rec)
	case journal.Head:
		err = r.signed(rec)
	}
	if err == nil {
		r.Head, r.last = Head{l.Seq, l.Hash}, l.Time
	}
	return c, err
}

func (r *reader) begin(rec journal.Open) (err error) {
	if rec.Format != journal.Format || rec.Cluster == "" {
		return fmt.Errorf("open: it is %q of cluster %q, not %s of a cluster", rec.Format, rec.Cluster, journal.Format)
	}
	r.cluster = rec.Cluster
	if r.key, err = x509.ParsePKIXPublicKey(rec.PublicKey); err != nil {
		return fmt.Errorf("open: journal key: %w", err)
	}
	return nil
}

func (r *reader) signed(rec journal.Head) error {
	if (Head{rec.Seq, rec.Head}) != r.Head {
		return errors.New("head: it is not about the line before")
	}
	if err := signer.VerifyFile(r.key, journal.Statement(r.cluster, rec.Seq, rec.Head), rec.Signature); err != nil {
		return fmt.Errorf("head: the journal key did not sign it: %w", err)
	}
	r.signedTo = rec.Seq
	return nil
}

func (r *reader) intend(l chain.Line, rec journal.Intent) error {
	var tbs struct { // RFC 5280, 4.1
		Version int `asn1:"explicit,tag:0"`
		Serial  *big.Int
	}
	if _, err := asn1.Unmarshal(rec.TBS, &tbs); err != nil {
		return fmt.Errorf("intent: no TBSCertificate: %w", err)
	}
	if tbs.Serial.Sign() <= 0 || tbs.Serial.BitLen() > 159 || tbs.Serial.BitLen() < 64 {
		return fmt.Errorf("intent: serial number %x is not of up to 20 random octets", tbs.Serial)
	}
	var serial [20]byte
	tbs.Serial.FillBytes(serial[:])
	is := certified{rec.Subject, rec.SignerName}
	_, used := r.serials[serial]
	was, known := r.keys[rec.SPKI]
	user := rec.Subject + "\x00" + rec.Requester
	switch {
	case r.grant.Sequence == 0:
		return errors.New("intent: no grant comes before it")
	case used:
		return fmt.Errorf("intent: serial number %x comes twice", tbs.Serial)
	case known && was != is:
		return fmt.Errorf("intent: its key is that of a certificate of %s by %s", was.subject, was.signer)
	case r.wanted[rec.Content] || l.Time.Before(r.until[rec.Content]):
		return errors.New("intent: the same request is being signed, or has a certificate that is valid")
	case rec.Bootstrap && r.spent[user]:
		return fmt.Errorf("intent: %s had its one certificate for %s", rec.Requester, rec.Subject)
	case len(r.open) >= mostOpen:
		return fmt.Errorf("intent: %d others have no result", mostOpen)
	}
	r.serials[serial], r.keys[rec.SPKI] = struct{}{}, is
	r.wanted[rec.Content], r.open[l.Seq] = true, intended{rec, l.Time}
	if rec.Bootstrap {
		r.spent[user] = true
	}
	return nil
}

// settle closes an intent.
func (r *reader) settle(seq int) (intended, error) {
	in, ok := r.open[seq]
	if !ok {
		return in, fmt.Errorf("line %d is no intent that waits for a result", seq)
	}
	delete(r.open, seq)
	delete(r.wanted, in.Content)
	return in, nil
}

func (r *reader) issued(line int, rec journal.Issued) (*Certificate, error) {
	in, err := r.settle(rec.Intent)
	if err != nil {
		return nil, fmt.Errorf("issued: %w", err)
	}
	cert, err := x509.ParseCertificate(rec.Certificate)
	if err != nil {
		return nil, fmt.Errorf("issued: %w", err)
	}
	if !bytes.Equal(cert.RawTBSCertificate, in.TBS) || fingerprint.Of(cert.RawSubjectPublicKeyInfo) != in.SPKI {
		return nil, fmt.Errorf("issued: it is not what line %d intends", rec.Intent)
	}
	r.until[in.Content] = cert.NotAfter
	return &Certificate{Line: line, Intent: in.Intent, Intended: in.at, Signed: cert}, nil
}

func (r *reader) abandoned(line int, rec journal.Abandoned) (*Certificate, error) {
	in, err := r.settle(rec.Intent)
	if err != nil {
		return nil, fmt.Errorf("abandoned: %w", err)
	}
	if rec.Reason == "" {
		return nil, errors.New("abandoned: there is no reason")
	}
	cert, err := x509.ParseCertificate(unsigned(in.TBS))
	if err != nil {
		return nil, fmt.Errorf("abandoned: line %d: %w", rec.Intent, err)
	}
	if in.Bootstrap { // nothing left the signer
		delete(r.spent, in.Subject+"\x00"+in.Requester)
	}
	return &Certificate{Line: line, Intent: in.Intent, Intended: in.at, Abandoned: cert}, nil
}

// unsigned is a certificate of to-be-signed bytes whose signature is empty.
func unsigned(tbs []byte) []byte {
	var begin struct { // RFC 5280, 4.1
		Version   int `asn1:"explicit,tag:0"`
		Serial    asn1.RawValue
		Algorithm asn1.RawValue
	}
	if _, err := asn1.Unmarshal(tbs, &begin); err != nil {
		return nil
	}
	der, _ := asn1.Marshal(struct { // of what was read: it is written again
		TBS, Algorithm asn1.RawValue
		Signature      asn1.BitString
	}{asn1.RawValue{FullBytes: tbs}, begin.Algorithm, asn1.BitString{}})
	return der
}
