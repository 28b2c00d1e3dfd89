package audit

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/bundle/phrase"
	"officiant/ceremony/transcript"
)

// recordAudit proves the record and the release key's signature over it.
type recordAudit struct{ *view }

// record reads the transcript and checks its end: closed, and signed by the
// release key on record.
func (a *recordAudit) record(c *Check) {
	t, sum, torn := a.read(c)
	if t == nil {
		return
	}
	c.Detail = phrase.Count(t.Count, "line")
	for _, l := range a.ledger.resumed {
		c.note("line %d: the ceremony was interrupted and continued at %s", l.Seq, stamp(l.Time))
	}
	for _, l := range a.ledger.rooms {
		for _, r := range l.Record.(transcript.Preflight).Checks {
			if r.Wrong != "" && r.Level != "record" {
				c.note("line %d: the room, %s (%s): %s", l.Seq, r.Name, r.Level, r.Wrong)
			}
		}
	}
	for _, l := range a.ledger.notes {
		c.note("line %d: %s", l.Seq, said(l.Record.(transcript.Note)))
	}
	for _, l := range a.ledger.deviations {
		c.note("line %d: deviation, agreed by %v: %s", l.Seq, l.Record.(transcript.Deviation).By,
			l.Record.(transcript.Deviation).Text)
	}
	if a.abandonment() != nil {
		c.Detail += ", closed by an abandonment, which no release key signs"
		return
	}
	if !t.Closed() {
		c.problem("%s", a.unfinished(torn))
		return
	}
	switch rehearsal := a.t.Open().Rehearsal; {
	case a.o.Rehearsal && !rehearsal:
		c.problem("%s: the ceremony was no rehearsal", transcriptFile)
	case rehearsal && !a.o.Rehearsal:
		c.problem("%s: the ceremony was a rehearsal on throw-away tokens; nothing in it may be used", transcriptFile)
	}
	a.clock(c)
	a.recordSignature(c, sum)
}

// read takes the record as a stream, and what it is the sum of. Nil: it does not read.
func (a *recordAudit) read(c *Check) (t *record, sum fingerprint.SHA256, torn int) {
	f, err := a.tree.openRecord()
	if err != nil {
		c.problem("%v", err)
		return nil, sum, 0
	}
	hash := sha256.New()
	t, s := &record{}, newSorter(a.tree.record)
	for l, err := range transcript.Scan(transcriptFile, io.TeeReader(f, hash)) {
		if err != nil {
			// A process that is killed while it writes leaves a last line without an
			// end: that record is unfinished, not broken.
			torn = a.torn(err, t.Count)
			if torn == 0 || t.Count == 0 || t.Closed() {
				c.problem("%v", err)
				return nil, sum, 0
			}
			break
		}
		t.add(l, s)
	}
	t.Ledger = s.end()
	a.take(t)
	return t, fingerprint.SHA256(hash.Sum(nil)), torn
}

// torn is how many bytes without an end follow the lines that read; 0: the error is
// of another kind.
func (a *recordAudit) torn(err error, lines int) int {
	var broken *transcript.Broken
	data, read := a.tree.read(transcriptFile)
	if !errors.As(err, &broken) || read != nil {
		return 0
	}
	end := bytes.LastIndexByte(data, '\n') + 1
	if bytes.Count(data[:end], []byte("\n")) != lines {
		return 0
	}
	return len(data) - end
}

// said is what somebody dictated.
func said(n transcript.Note) string {
	if n.By == "" {
		return "dictated: " + n.Text
	}
	return "dictated by " + n.By + ": " + n.Text
}

// take keeps a transcript and what it says.
func (a *recordAudit) take(t *record) {
	open, head := t.Open(), t.Head()
	a.t = t
	a.ledger = t.Ledger
	r := a.report
	r.Name, r.Cluster, r.Sequence = open.Name, open.Cluster, open.Sequence
	r.Digest, r.Head = &open.Digest, &head
	r.Lines, r.Finished = t.Count, t.Closed()
	if l := a.abandonment(); l != nil {
		r.Abandonment = l.Record.(transcript.Abandonment).Reason
	}
	for _, s := range a.ledger.certificates {
		switch {
		case s.issued != nil:
			r.Certificates++
		case s.abandoned != "":
			r.Abandoned++
		}
	}
}

// unfinished says how far a ceremony without a closing line got.
func (a *recordAudit) unfinished(torn int) string {
	last := a.t.Last
	title := ""
	for _, l := range a.t.Lines {
		if s, ok := l.Record.(transcript.Step); ok && l.Step == last.Step {
			title = " (" + s.Title + ")"
		}
	}
	s := fmt.Sprintf("%s: unfinished: the record ends with line %d at %s, in step %d of %d%s, with %s on record and "+
		"%s without a result",
		transcriptFile, last.Seq, stamp(last.Time), last.Step, a.t.Open().Steps, title,
		phrase.Count(a.report.Certificates, "certificate"), phrase.Count(len(a.t.Pending()), "intent"))
	if torn > 0 {
		s += fmt.Sprintf("; %s of a cut off line follow", phrase.Count(torn, "byte"))
	}
	return s
}

// clock notes what does not go together with the time of whoever looks.
func (a *recordAudit) clock(c *Check) {
	if last := a.t.Last.Time; !a.o.Now.IsZero() && last.After(a.o.Now) {
		c.note("the record ends at %s, which is in the future by this machine's clock", stamp(last))
	}
}

// recordSignature checks release.pub and transcript.sig against the record.
func (a *recordAudit) recordSignature(c *Check, sum fingerprint.SHA256) {
	key := a.ledger.release()
	if key == nil {
		c.problem("%s: no release key on record", transcriptFile)
		return
	}
	a.report.Release = &key.SPKI
	last := a.t.Last
	if closed, ok := last.Record.(transcript.Closed); !ok || closed.Signer != key.SPKI {
		c.problem("%s:%d: names %s as the signer, the release key on record is %s", transcriptFile, last.Seq, closed.Signer,
			key.SPKI)
	}
	if err := a.same(a.marked(releaseFile), publicPEM(key.PublicKey)); err != nil {
		c.problem("%v: the release key on record is %s", err, key.SPKI)
	}
	pub, err := x509.ParsePKIXPublicKey(key.PublicKey)
	if err != nil {
		c.problem("%s: release key: %v", transcriptFile, err)
		return
	}
	signature, err := a.tree.read(signatureFile)
	if err != nil {
		c.problem("%v", err)
		return
	}
	if err := verifyFile(pub, sum, signature); err != nil {
		c.problem("%s: %v", signatureFile, err)
	}
}

// verifyFile checks a release key's signature over a file: ECDSA P-256 or RSA
// PKCS #1 v1.5, SHA-256 in both.
func verifyFile(pub crypto.PublicKey, sum fingerprint.SHA256, signature []byte) error {
	switch k := pub.(type) {
	case *ecdsa.PublicKey:
		if k.Curve != elliptic.P256() {
			return fmt.Errorf("the release key is on curve %s, not P-256", k.Curve.Params().Name)
		}
		if ecdsa.VerifyASN1(k, sum[:], signature) {
			return nil
		}
	case *rsa.PublicKey:
		if k.N.BitLen() < 2048 {
			return fmt.Errorf("the release key is RSA of %d bits", k.N.BitLen())
		}
		if rsa.VerifyPKCS1v15(k, crypto.SHA256, sum[:], signature) == nil {
			return nil
		}
	default:
		return fmt.Errorf("the release key is of type %T", pub)
	}
	return errors.New("is not the release key's signature")
}

func publicPEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

func certificatePEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
