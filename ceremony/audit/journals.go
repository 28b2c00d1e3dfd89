package audit

import (
	"fmt"
	"slices"

	"officiant/bundle/phrase"
	"officiant/ceremony/history"
	"officiant/ceremony/online/proof"
	"officiant/ceremony/schedule"
	"officiant/ceremony/transcript"
)

// journalAudit proves what the ceremony took in of online signers. That each of their
// certificates was its grant's, and that nothing was cut, package proof has proven when
// the plan's copy was expanded.
type journalAudit struct {
	*view
	chain *chainAudit // for serial numbers that were used before
}

// any says whether there is a journal on record, or should be.
func (a *journalAudit) any() bool {
	return a.t != nil && a.plan != nil && len(a.t.Open().Journals)+len(a.plan.Journals) > 0
}

// taken holds the first line of the record against the plan's journals, and their serial
// numbers against the ceremonies'.
func (a *journalAudit) taken(c *Check) {
	if got := a.t.Open().Journals; !slices.Equal(got, a.plan.Journals) {
		c.problem("%s:1: says of journals what %s and they do not: %v", transcriptFile, planFile, got)
	}
	ours := map[history.Serial]string{}
	for _, s := range a.ledger.certificates {
		if n, err := s.serial(); err == nil {
			if serial, ok := history.SerialOf(n); ok {
				ours[serial] = fmt.Sprintf("%s, line %d", s.name, s.seq)
			}
		}
	}
	signed := 0
	a.eachOnline(c, func(j transcript.Journal, cert *proof.Certificate) {
		serial, _ := history.SerialOf(cert.X509().SerialNumber) // proof has seen to its size
		if by := a.chain.serials[serial]; by != nil {
			c.problem("%s: line %d: serial number %s was used by %s", j.File, cert.Line, serial, by)
		}
		if by := ours[serial]; by != "" {
			c.problem("%s: line %d: serial number %s was used by %s", j.File, cert.Line, serial, by)
		}
		if cert.Signed != nil && cert.Line > j.Since {
			signed++
		}
	})
	for _, j := range a.t.Open().Journals {
		if j.File == "" {
			c.note("a journal is on record up to line %d, and this ceremony took nothing in of it: head %s", j.Line,
				j.Head)
		}
	}
	c.Detail = phrase.Count(signed, "certificate")
}

// eachOnline reads the journals that the ceremony took in.
func (a *view) eachOnline(c *Check, each func(transcript.Journal, *proof.Certificate)) {
	for _, j := range a.t.Open().Journals {
		if j.File == "" {
			continue
		}
		f, err := a.tree.open(j.File)
		if err != nil {
			c.problem("%v", err)
			continue
		}
		err = proof.Read(j.File, f, proof.Head{Seq: j.Line, Hash: j.Head},
			func(cert *proof.Certificate) { each(j, cert) })
		f.Close()
		if err != nil {
			c.problem("%v", err)
		}
	}
}

// online finds in the journals what found has no certificate for, by serial number.
func (a *listAudit) online(c *Check, found map[string]*history.Certificate) {
	a.eachOnline(c, func(_ transcript.Journal, cert *proof.Certificate) {
		is := schedule.Online(cert)
		text := is.Serial.String()
		if was, asked := found[text]; asked && was == nil {
			found[text] = &is
		}
	})
}
