package audit

import (
	"bytes"
	"crypto/x509"

	"officiant/bundle/phrase"
	"officiant/ceremony/schedule"
	"officiant/ceremony/transcript"
)

// signatureAudit proves that what was signed is the schedule's.
type signatureAudit struct{ *view }

// signatures compares what was signed with the schedule: each line once, and
// nothing beside.
func (a *signatureAudit) signatures(c *Check) {
	made := map[int]int{} // results by entry
	for _, s := range a.ledger.certificates {
		if e := a.scheduled(c, s, isCertificate); e != nil && s.result > 0 {
			made[s.entry]++
			if s.issued != nil && !s.issued.intended {
				c.problem("line %d: the certificate of %s is not what line %d intended", s.result, s.name, s.seq)
			}
		}
	}
	for _, s := range a.ledger.lists {
		if e := a.scheduled(c, s, isList); e != nil && s.result > 0 {
			made[s.entry]++
			if s.list != nil && !bytes.Equal(s.list.RawTBSRevocationList, s.tbs) {
				c.problem("line %d: %s is not what line %d intended", s.result, s.name, s.seq)
			}
		}
	}
	wrong := a.fileSignatures()
	for i, s := range a.ledger.files {
		if e := a.scheduled(c, s, isFile); e != nil && s.result > 0 {
			made[s.entry]++
			if wrong[i] != nil {
				c.problem("line %d: signature of %s: %v", s.result, s.name, wrong[i])
			}
		}
		a.abandonedFile(c, s)
	}
	a.requestSignatures(c, made)
	i := -1
	for e := range a.plan.All() {
		i++
		if e.N != i+1 {
			c.problem("%s: line %d says it is line %d", scheduleFile, i+1, e.N)
		}
		switch n := made[i+1]; {
		case e.Kind == schedule.TranscriptSignature:
			made[i+1] = 1 // transcript.sig, which cannot be in the file it signs
		case e.Kind == schedule.ExternalCertificate && n == 0:
			c.problem("%s: line %d, %s, never came back", scheduleFile, i+1, e.Name)
		case n == 0:
			c.problem("%s: line %d, %s, was never signed", scheduleFile, i+1, e.Name)
		case n > 1:
			c.problem("%s: line %d, %s, was signed %d times", scheduleFile, i+1, e.Name, n)
		}
	}
	c.Detail = phrase.Count(len(made), "signature")
	for _, l := range a.ledger.abandoned {
		r := l.Record.(transcript.Abandoned)
		c.note("line %d: abandoned %s (%s); it may have been signed", l.Seq, a.intentName(r.Intent), r.Reason)
	}
	a.unsettled(c)
}

// scheduled returns the line of the schedule that an intent is for, and names
// what does not agree.
func (a *signatureAudit) scheduled(c *Check, s *signing, fits func(schedule.Kind) bool) *schedule.Entry {
	e := a.entry(s.entry)
	if e == nil {
		c.problem("line %d: signs %s, entry %d, which the schedule does not have", s.seq, s.name, s.entry)
		return nil
	}
	if s.name != e.Name || s.signer != e.Signer {
		c.problem("line %d: signs %s by %s as entry %d, which is %s by %s", s.seq, s.name, s.signer, s.entry, e.Name,
			e.Signer)
	}
	if !fits(e.Kind) {
		c.problem("line %d: entry %d, %s, is of kind %s, and this is another kind of signature", s.seq, s.entry, e.Name,
			e.Kind)
	}
	return e
}

// fileSignatures checks each recorded signature of the release key, once.
func (a *signatureAudit) fileSignatures() []error {
	wrong := make([]error, len(a.ledger.files))
	key := a.ledger.release()
	if key == nil {
		return wrong // record said so
	}
	pub, err := x509.ParsePKIXPublicKey(key.PublicKey)
	if err != nil {
		return wrong
	}
	parallel(len(wrong), func(i int) {
		if s := a.ledger.files[i]; s.result > 0 {
			wrong[i] = verifyFile(pub, s.sum, s.signature)
			s.verified = wrong[i] == nil
		}
	})
	return wrong
}

// unsettled names intents without a result in a closed record.
func (a *signatureAudit) unsettled(c *Check) {
	for _, l := range a.t.Pending() {
		c.problem("line %d: intent of %s has neither a result nor an end", l.Seq, a.intentName(l.Seq))
	}
}

// intentName says what an intent was for.
func (a *signatureAudit) intentName(seq int) string {
	switch r := a.t.Intent(seq).(type) {
	case transcript.Intent:
		return r.Name
	case transcript.CRLIntent:
		return r.Name
	case transcript.SignatureIntent:
		return r.Name
	case transcript.CSRIntent:
		return r.Name
	case transcript.ChallengeIntent:
		return "challenge of the " + r.Name + " key"
	}
	return "nothing"
}
