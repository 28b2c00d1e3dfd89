package schedule

import (
	"bufio"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/history"
	"officiant/ceremony/online/grant"
	"officiant/ceremony/online/journal"
	"officiant/ceremony/online/proof"
	"officiant/ceremony/plan"
)

// mostFindings is how many problems of one journal are told.
const mostFindings = 20

// journalFacts are what the ceremony takes in of online signers.
type journalFacts struct {
	list   []history.Journal                       // for the first line of the record
	signed map[history.Serial]*history.Certificate // that the plan, or a former list, revokes
}

// journalPass proves the journals that the plan names.
type journalPass struct {
	base
	past    *records
	facts   *journalFacts
	release []crypto.PublicKey // the cluster's, on record
}

// journalsOf takes in the plan's journals, and what earlier ones said of others.
func journalsOf(b base, past *records) *journalFacts {
	pass := &journalPass{base: b, past: past,
		facts: &journalFacts{signed: map[history.Serial]*history.Certificate{}}}
	pass.wanted()
	pass.keys()
	for i, j := range b.p.Journals {
		pass.journal(j, plan.At{"journals", i})
	}
	pass.carried()
	past.online = pass.facts.signed
	return pass.facts
}

// wanted notes the serial numbers that are asked for later: a journal may have a great many.
func (b *journalPass) wanted() {
	for _, v := range b.p.Revocations {
		if s, ok := history.SerialOf(v.Serial.Int); ok {
			b.facts.signed[s] = nil
		}
	}
	for _, r := range b.past.Ends() {
		for _, l := range r.Lists {
			for _, e := range l.RevokedCertificateEntries {
				if s, ok := history.SerialOf(e.SerialNumber); ok {
					b.facts.signed[s] = nil
				}
			}
		}
	}
}

// keys are the release keys that signed a record of this cluster.
func (b *journalPass) keys() {
	for _, r := range b.past.Records() {
		if key, err := x509.ParsePKIXPublicKey(b.past.Public(r.Closed.Signer)); err == nil {
			b.release = append(b.release, key)
		}
	}
}

// before is how far earlier ceremonies took a journal in; zero: none did.
func (b *journalPass) before(first fingerprint.SHA256) (last history.Journal) {
	for _, r := range b.past.Records() {
		for _, j := range r.Open.Journals {
			if j.First == first && j.Line > last.Line {
				last = j
			}
		}
	}
	return last
}

func (b *journalPass) journal(j plan.Journal, where plan.At) {
	if j.File == "" || j.Line < 1 || j.Head == (fingerprint.SHA256{}) || len(j.Grants) == 0 {
		b.Refuse(where, "a journal needs file, line and head (the newest line of which somebody kept the hash) and "+
			"grants (all that were in force)")
		return
	}
	problems := len(b.Problems)
	grants := map[fingerprint.SHA256]*grant.Grant{}
	for i, file := range j.Grants {
		if g := b.grant(file, append(slices.Clone(where), "grants", i)); g != nil {
			grants[g.Digest()] = g
		}
	}
	if len(b.Problems) > problems {
		return
	}
	err := b.stream(MaxJournal, j.File, append(slices.Clone(where), "file"), func(text io.Reader) error {
		return b.prove(j, text, grants, where)
	})
	var broken *journal.Broken
	switch {
	case errors.As(err, &broken):
		b.RefuseInput(j.File, "line %d: %s", broken.Line, broken.Reason)
	case err != nil:
		b.RefuseInput(j.File, "%v", err)
	}
}

// grant reads a grant that a release key on record has signed; nil when none has.
func (b *journalPass) grant(file string, where plan.At) *grant.Grant {
	data := b.inputUpTo(grant.MaxBytes, file, where)
	signature := b.input(file+".sig", where)
	if data == nil || signature == nil {
		return nil
	}
	signed := func(by crypto.PublicKey) bool { return grant.Verify(by, data, signature) == nil }
	if !slices.ContainsFunc(b.release, signed) {
		b.RefuseInput(file+".sig", "no release key of this cluster's ceremonies signed %s", file)
		return nil
	}
	g, err := grant.Parse(file, data)
	var invalid *grant.Invalid
	switch {
	case errors.As(err, &invalid) && invalid.Line > 0:
		b.RefuseInput(file, "line %d: %s", invalid.Line, invalid.Reason)
	case errors.As(err, &invalid):
		b.RefuseInput(file, "%s", invalid.Reason)
	}
	return g
}

// prove holds a journal against its grants, what was kept, and what is on record.
func (b *journalPass) prove(j plan.Journal, text io.Reader, grants map[fingerprint.SHA256]*grant.Grant,
	where plan.At) error {
	lines := bufio.NewReaderSize(text, 1<<16)
	begin, err := lines.Peek(1 << 12) // a first line is shorter
	if err != nil && err != io.EOF {
		return err
	}
	line, _, _ := strings.Cut(string(begin), "\n")
	before := b.before(fingerprint.Of([]byte(line + "\n")))
	against := proof.Against{Grants: grants, Kept: []proof.Head{{Seq: j.Line, Hash: j.Head}}}
	if before.Line > 0 {
		against.Kept = append(against.Kept, proof.Head{Seq: before.Line, Hash: before.Head})
	}
	taken := history.Journal{File: j.File, Since: before.Line}
	against.Each = func(c *proof.Certificate) { b.certificate(&taken, c) }
	v, err := proof.Check(j.File, lines, against)
	if err != nil {
		return err
	}
	taken.First, taken.Line, taken.Head = v.First, v.Lines, v.Head.Hash
	for i, found := range v.Findings {
		if i == mostFindings {
			b.RefuseInput(j.File, "and %d more", len(v.Findings)-i)
			break
		}
		b.RefuseInput(j.File, "%s", found)
	}
	b.place(j, v, before, where)
	b.facts.list = append(b.facts.list, taken)
	return nil
}

// place refuses a journal that is not the one to come next.
func (b *journalPass) place(j plan.Journal, v *proof.Verdict, before history.Journal, where plan.At) {
	others := slices.ContainsFunc(b.past.Records(), func(r *history.Record) bool { return len(r.Open.Journals) > 0 })
	switch {
	case v.Cluster != b.p.Cluster.Name:
		b.RefuseInput(j.File, "is the journal of cluster %s, not of %s", v.Cluster, b.p.Cluster.Name)
	case slices.ContainsFunc(b.facts.list, func(o history.Journal) bool { return o.First == v.First }):
		b.Refuse(where, "%s is the same journal as another one here", j.File)
	case v.SignedTo < v.Lines-1:
		b.RefuseInput(j.File, "its last signed head is about line %d, and it has %d lines: stop the signer, which "+
			"signs one, and copy the journal then", v.SignedTo, v.Lines)
	case before.Line > 0 && j.New:
		b.Refuse(append(where, "new"), "%s continues the journal that an earlier ceremony took in up to line %d",
			j.File, before.Line)
	case before.Line == 0 && others && !j.New:
		b.Refuse(where, "%s does not begin as the journal that an earlier ceremony took in: if the signer began "+
			"another one on purpose, say new: true", j.File)
	case v.Ended.After(b.now) && !b.held:
		b.RefuseInput(j.File, "ends at %s, and the clock says %s: set the clock", v.Ended.Format(time.RFC3339),
			b.now.UTC().Format(time.RFC3339))
	}
}

// certificate counts what is new, and keeps what is asked for later.
func (b *journalPass) certificate(taken *history.Journal, c *proof.Certificate) {
	if c.Line > taken.Since && c.Signed != nil {
		taken.Certificates++
	} else if c.Line > taken.Since {
		taken.Abandoned++
	}
	is := Online(c)
	if _, asked := b.facts.signed[is.Serial]; asked {
		b.facts.signed[is.Serial] = &is
	}
}

// Online is a certificate of a journal as records have others. It is of no record.
func Online(c *proof.Certificate) history.Certificate {
	cert := c.X509()
	out := history.Certificate{
		Name: c.Name(), Signer: c.Intent.Authority, State: history.Issued, SPKI: c.Intent.SPKI,
		Issuer:    &history.Issuer{Name: cert.RawIssuer, KeyID: cert.AuthorityKeyId},
		NotBefore: cert.NotBefore.UTC(), NotAfter: cert.NotAfter.UTC(),
	}
	if c.Signed == nil {
		out.State = history.Abandoned
	}
	out.Serial, _ = history.SerialOf(cert.SerialNumber) // proof has seen to its size
	return out
}

// carried says again how far other journals are on record: a record says it of all.
func (b *journalPass) carried() {
	for _, r := range b.past.Records() {
		for _, j := range r.Open.Journals {
			if slices.ContainsFunc(b.facts.list, func(o history.Journal) bool { return o.First == j.First }) {
				continue
			}
			last := b.before(j.First)
			b.facts.list = append(b.facts.list, history.Journal{First: last.First, Line: last.Line, Head: last.Head})
			if len(b.p.Journals) > 0 {
				b.Warn(plan.At{"journals"}, "none of them continues the journal that an earlier ceremony took in up "+
					"to line %d (%s)", last.Line, last.Head)
			}
		}
	}
}

// journalLine is a header line of schedule.txt.
func journalLine(j history.Journal) string {
	return fmt.Sprintf("# journal: %s line=%d head=sha256:%s since=%d certificates=%d abandoned=%d\n", j.File, j.Line,
		j.Head, j.Since, j.Certificates, j.Abandoned)
}
