package audit

import (
	"fmt"
	"math/big"
	"slices"

	"officiant/bundle/phrase"
	"officiant/ceremony/history"
	"officiant/ceremony/schedule"
	"officiant/ceremony/transcript"
)

// orderAudit proves that each act is on record before it happened.
type orderAudit struct {
	*view
	chain *chainAudit // for serial numbers that were used before
}

// order checks that the room was looked at first; that a key was on record and
// had answered a challenge, in the same process, before it signed; that its
// certificate came before those it signs; that the sealed secret and the end of
// issuing came before bundles; and that no serial number was used twice.
func (a *orderAudit) order(c *Check) {
	a.roomFirst(c)
	a.keysFirst(c)
	a.issuersFirst(c)
	a.closingFirst(c)
	a.serialNumbers(c)
}

// roomFirst wants each process to have looked at the room before it had to do
// with a token. What was seen there, and waived, the transcript itself holds
// against what follows.
func (a *orderAudit) roomFirst(c *Check) {
	looked := false
	for _, l := range a.t.Lines {
		switch r := l.Record.(type) {
		case transcript.Resumed:
			looked = false
		case transcript.Preflight:
			looked = len(r.Checks) > 0
		case transcript.Token,
			transcript.PINRefused,
			transcript.CanaryIntent,
			transcript.KeyIntent,
			transcript.ChallengeIntent,
			transcript.CSRIntent:
			if !looked {
				c.problem("line %d: %s, and this process had not looked at the room", l.Seq, r.Type())
				looked = true // once for a process is enough
			}
		}
	}
}

// keysFirst walks the record as it was written. A process that resumes a
// ceremony has each key prove itself again.
func (a *orderAudit) keysFirst(c *Check) {
	onRecord, proven := map[string]bool{}, map[string]bool{}
	answered := map[int]bool{} // challenge intents with an answer, by seq of the answer
	names := map[int]string{}
	for _, ch := range a.ledger.challenges {
		if ch.result > 0 && ch.Clone == nil { // a clone's answer says nothing of the key that signs
			answered[ch.result], names[ch.result] = true, ch.Name
		}
	}
	signs := func(seq int, key, what string) {
		switch {
		case !onRecord[key]:
			c.problem("line %d: the %s key is to sign %s before it is on record", seq, key, what)
		case !proven[key]:
			c.problem("line %d: the %s key is to sign %s, and has not answered a challenge of this process", seq, key, what)
		}
	}
	release := a.plan.ReleaseKey()
	for l := range a.t.Acts() {
		switch r := l.Record.(type) {
		case transcript.Resumed:
			clear(proven)
		case transcript.Key:
			onRecord[r.Name] = true
		case transcript.Challenge:
			if answered[l.Seq] {
				proven[names[l.Seq]] = true
			}
		case transcript.CSRIntent:
			if e := a.entry(r.Entry); e != nil {
				signs(l.Seq, e.Signer, r.Name)
			}
		case transcript.Intent:
			signs(l.Seq, r.Signer, r.Name)
		case transcript.CRLIntent:
			signs(l.Seq, r.Signer, r.Name)
		case transcript.SignatureIntent:
			signs(l.Seq, release, r.Name)
		case transcript.Closed:
			signs(l.Seq, release, "the record")
		}
	}
}

// issuersFirst wants an authority's certificate on record before it signs.
func (a *orderAudit) issuersFirst(c *Check) {
	since := map[string]int{} // seq of an authority's certificate
	for _, r := range a.ledger.arrivals {
		since[r.name] = r.seq
	}
	for _, s := range a.ledger.certificates {
		if s.result > 0 && since[s.name] == 0 {
			since[s.name] = s.result
		}
	}
	for _, s := range slices.Concat(a.ledger.certificates, a.ledger.lists) {
		kind := a.kind(s.entry)
		if kind == "" || kind == schedule.RootCertificate || a.plan.Certificates[s.signer] != nil {
			continue
		}
		if seq := since[s.signer]; seq == 0 || seq > s.seq {
			c.problem("line %d: %s was to be signed by %s, which had no certificate yet", s.seq, s.name, s.signer)
		}
	}
}

// closingFirst wants the sealed secrets and the end of issuing before bundles.
func (a *orderAudit) closingFirst(c *Check) {
	closing := a.ledger.closing()
	if closing == nil {
		c.problem("%s: issuing was closed %s, not once", transcriptFile, phrase.Count(len(a.ledger.closings), "time"))
		return
	}
	for _, s := range slices.Concat(a.ledger.certificates, a.ledger.lists) {
		if s.seq > closing.Seq || s.result > closing.Seq {
			c.problem("line %d: %s after issuing was closed", s.seq, s.name)
		}
	}
	for _, s := range a.ledger.sealed {
		if s.seq > closing.Seq {
			c.problem("line %d: %s was sealed after issuing was closed", s.seq, s.Secret)
		}
	}
	for _, s := range a.ledger.shared {
		if s.seq > closing.Seq {
			c.problem("line %d: %s was passed on after issuing was closed", s.seq, s.File)
		}
	}
	for _, s := range a.ledger.files {
		if s.seq < closing.Seq {
			c.problem("line %d: %s was to be signed before issuing was closed", s.seq, s.name)
		}
	}
}

// serialNumbers wants each serial number once: etcd's revocation lists know
// nothing but serials, whoever issued them.
func (a *orderAudit) serialNumbers(c *Check) {
	used := map[string]user{}
	before := func(n *big.Int) (string, bool) { // in this ceremony, or in one before
		if u, ok := used[serialKey(n)]; ok {
			return u.String(), true
		}
		if key, fits := history.SerialOf(n); fits && a.chain.serials[key] != nil {
			return by(a.chain.serials[key]), true
		}
		return "", false
	}
	for name, cert := range a.plan.Certificates {
		// Most often a previous ceremony's own, so not a second use.
		if _, ok := before(cert.SerialNumber); !ok {
			used[serialKey(cert.SerialNumber)] = user{name, 0}
		}
	}
	for _, r := range a.ledger.arrivals {
		if by, ok := before(r.certificate.SerialNumber); ok {
			c.problem("line %d: serial number %x of %s was used before, by %s", r.seq, r.certificate.SerialNumber, r.name, by)
		}
		used[serialKey(r.certificate.SerialNumber)] = user{r.name, r.seq}
	}
	n := 0
	for _, s := range a.ledger.certificates {
		serial, err := s.serial()
		if err != nil {
			c.problem("line %d: intent of %s: %v", s.seq, s.name, err)
			continue
		}
		n++
		if by, ok := before(serial); ok {
			c.problem("line %d: serial number %x of %s was used before, by %s", s.seq, serial, s.name, by)
		}
		used[serialKey(serial)] = user{s.name, s.seq}
		if problem := badSerial(serial); problem != "" {
			c.problem("line %d: serial number %x of %s %s", s.seq, serial, s.name, problem)
		}
	}
	c.Detail = phrase.Count(n, "serial number")
	if len(a.chain.serials) > 0 {
		c.Detail += fmt.Sprintf(", held against %d of previous ceremonies", len(a.chain.serials))
	}
}

// user is who used a serial number.
type user struct {
	name string
	line int // 0: an authority's certificate that the plan names
}

func (u user) String() string {
	if u.line == 0 {
		return "authority " + u.name
	}
	return fmt.Sprintf("%s, line %d", u.name, u.line)
}

func serialKey(n *big.Int) string {
	if n.Sign() < 0 {
		return "-" + string(n.Bytes())
	}
	return string(n.Bytes())
}

// serial is the number that was to be signed: of what was issued just so, the
// certificate's, which was read.
func (s *signing) serial() (*big.Int, error) {
	if s.issued != nil && s.issued.intended {
		return new(big.Int).SetBytes(s.issued.serial[:]), nil
	}
	t, err := parseTBS(s.tbs)
	if err != nil {
		return nil, err
	}
	return t.Serial, nil
}

// badSerial says why a number is none a ceremony makes: RFC 5280, 4.1.2.2, and
// 127 random bits, which are 64 or fewer once in 2^63 times.
func badSerial(n *big.Int) string {
	switch {
	case n.Sign() <= 0:
		return "is not positive"
	case n.BitLen() > 159:
		return "has more than 20 octets"
	case n.BitLen() <= 64:
		return "is too short to be random"
	}
	return ""
}
