package audit

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	_ "crypto/sha256" // of challenges to P-256 and RSA keys
	_ "crypto/sha512" // of challenges to the larger curves
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"

	"officiant/bundle/fingerprint"
	"officiant/bundle/phrase"
	"officiant/ceremony/plan"
	"officiant/ceremony/transcript"
)

// grades from weak to strong; signer's documentation says what each means.
var grades = []string{"unproven", "software", "consistent", "attested"}

// keyAudit proves keys: their origin, their evidence, their challenges.
type keyAudit struct{ *view }

// keys checks every key the schedule signs with, and that there are no others.
func (a *keyAudit) keys(c *Check) {
	needed := map[string]bool{}
	for e := range a.plan.All() {
		if e.Signer != "" {
			needed[e.Signer] = true
		}
		if e.SubjectKey != "" {
			needed[e.SubjectKey] = true
		}
	}
	for _, name := range sortedKeys(needed) {
		if a.ledger.key(name) == nil {
			c.problem("%s: the %s key signs, and is not on record", transcriptFile, name)
		}
	}
	if s := a.plan.Plan.Release.Successor; s.Key.Create != "" {
		needed[s.Name] = true
	}
	a.releaseKeys(c)
	owners := map[fingerprint.SHA256]string{}
	for _, k := range a.ledger.keyLines {
		if !needed[k.Name] {
			c.problem("line %d: the schedule needs no %s key", k.seq, k.Name)
		}
		a.key(c, k)
		if other, ok := owners[k.SPKI]; ok && other != k.Name {
			c.problem("line %d: the keys %s and %s are the same", k.seq, other, k.Name)
		}
		owners[k.SPKI] = k.Name
		if first := a.ledger.key(k.Name); first.SPKI != k.SPKI {
			c.problem("line %d: the %s key is %s, line %d says %s", k.seq, k.Name, k.SPKI, first.seq, first.SPKI)
		}
	}
	a.canaries(c)
	a.keyIntents(c, needed)
	a.challenges(c, needed)
	for _, l := range a.ledger.orphans {
		r := l.Record.(transcript.KeyAbandoned)
		c.note("line %d: a %s key of id %s may be left behind in a token: %s", l.Seq, r.Name, r.ID, r.Reason)
	}
	c.Detail = phrase.Count(len(owners), "key") + ", " + phrase.Count(len(a.ledger.challenges), "challenge")
	if n := len(a.ledger.canaries); n == 1 {
		c.Detail += ", 1 canary"
	} else if n > 1 {
		c.Detail += fmt.Sprintf(", %d canaries", n)
	}
}

// keyIntents wants each intent to be for a key that is needed, and to have a
// key or an end: a token holds no key that the record does not name.
func (a *keyAudit) keyIntents(c *Check, needed map[string]bool) {
	settled := map[string]bool{}
	for _, k := range a.ledger.keyLines {
		settled[k.Name+" "+k.ID] = true
	}
	for _, l := range a.ledger.orphans {
		r := l.Record.(transcript.KeyAbandoned)
		settled[r.Name+" "+r.ID] = true
	}
	for _, n := range a.ledger.keyIntents {
		switch {
		case !needed[n.Name]:
			c.problem("line %d: a %s key of id %s was to be made, which the schedule does not need", n.seq, n.Name,
				n.ID)
		case !settled[n.Name+" "+n.ID]:
			c.problem("line %d: intent of the %s key of id %s has neither a key nor an end", n.seq, n.Name, n.ID)
		}
	}
}

// key checks one line about a key: what it is, where it comes from, how good
// the evidence is.
func (a *keyAudit) key(c *Check, k keyLine) {
	bad := func(format string, args ...any) {
		c.problem("line %d: the %s key: %s", k.seq, k.Name, fmt.Sprintf(format, args...))
	}
	pub, err := x509.ParsePKIXPublicKey(k.PublicKey)
	if err != nil {
		bad("%v", err)
		return
	}
	if got := fingerprint.Of(k.PublicKey); got != k.SPKI {
		bad("its fingerprint is %s, the line says %s", got, k.SPKI)
	}
	if got := algorithm(pub); got != k.Algorithm {
		bad("is of algorithm %s, the line says %q", got, k.Algorithm)
	}
	origin, least := a.planned(k.Name)
	switch {
	case origin.Create != "":
		if string(origin.Create) != k.Algorithm {
			bad("is of algorithm %s, the plan asks for %s", k.Algorithm, origin.Create)
		}
		a.made(c, bad, k)
	case k.Made:
		bad("was made; the plan names an existing one")
	case origin.Existing != k.SPKI:
		bad("is %s, the plan names %s", k.SPKI, origin.Existing)
	}
	if slices.Index(grades, k.Grade) < 0 || slices.Index(grades, k.Grade) < slices.Index(grades, least) {
		bad("evidence is %q, the plan asks for %q", k.Grade, least)
	}
	evidence(bad, k)
	if k.Grade == "attested" {
		a.attested(c, bad, k)
	}
}

// planned is what the plan says of a key: where it comes from, and the least
// grade of evidence.
func (a *keyAudit) planned(name string) (origin plan.Key, least string) {
	switch r := a.plan.Plan.Release; name {
	case r.Name:
		return r.Key, string(r.Evidence)
	case r.Successor.Name:
		return r.Successor.Key, string(r.Successor.Evidence)
	}
	for _, p := range a.plan.Plan.Authorities {
		if p.Name != name {
			continue
		}
		origin = p.Key
		if cert := a.plan.Certificates[name]; cert != nil && origin.Create == "" {
			origin.Existing = fingerprint.Of(cert.RawSubjectPublicKeyInfo)
		}
		return origin, string(p.Evidence)
	}
	return plan.Key{}, grades[len(grades)-1]
}

// made wants the intent of a key that was made: the last one before it.
func (a *keyAudit) made(c *Check, bad func(string, ...any), k keyLine) {
	if !k.Made {
		bad("was found; the plan creates it")
	}
	var intent *keyIntentLine
	for i := range a.ledger.keyIntents {
		if n := &a.ledger.keyIntents[i]; n.Name == k.Name && n.seq < k.seq {
			intent = n
		}
	}
	switch {
	case intent == nil:
		bad("was made without an intent on record before it")
	case intent.ID != k.ID || intent.Algorithm != k.Algorithm:
		bad(
			"has id %s and algorithm %s, its intent in line %d says %s and %s",
			k.ID,
			k.Algorithm,
			intent.seq,
			intent.ID,
			intent.Algorithm,
		)
	case !a.inItsToken(k, *intent):
		bad("is in token %s, serial %s; it was to be made in %s, serial %s, by its intent in line %d", k.Token.Label,
			k.Token.Serial, intent.Token.Label, intent.Token.Serial, intent.seq)
	case intent.Label != a.t.Open().Cluster+"/"+k.Name:
		bad("its intent in line %d names it %s", intent.seq, intent.Label)
	default:
		a.tried(c, bad, k, intent.seq)
	}
}

// inItsToken says whether a key is in the token that its intent names. A process that
// goes on may reach the same one by another module.
func (a *keyAudit) inItsToken(k keyLine, intent keyIntentLine) bool {
	if intent.Token == nil {
		return true // of before it was said
	}
	for _, l := range a.ledger.resumed {
		if l.Seq > intent.seq && l.Seq < k.seq {
			return intent.Token.ID() == k.Token.ID()
		}
	}
	return *intent.Token == k.Token
}

func softHSM(t transcript.Token) bool {
	return strings.Contains(strings.ToLower(t.Model+" "+t.Manufacturer+" "+t.Module), "softhsm")
}

// clone wants the clone of a key to be in another token than the key, and not in
// software where the plan asks for more.
func (a *keyAudit) clone(c *Check, ch *challengeLine, key *keyLine) {
	_, least := a.planned(ch.Name)
	switch {
	case ch.Clone.ID() == key.Token.ID():
		c.problem("line %d: the clone of the %s key is said to be in the token that holds the key", ch.seq, ch.Name)
	case softHSM(*ch.Clone) && slices.Index(grades, least) > slices.Index(grades, "software"):
		c.problem(
			"line %d: the clone of the %s key is in SoftHSM, and the plan asks for evidence %q",
			ch.seq,
			ch.Name,
			least,
		)
	default:
		c.note(
			"line %d: the clone of the %s key, in token %s, serial %s, answered a challenge",
			ch.result,
			ch.Name,
			ch.Clone.Label,
			ch.Clone.Serial,
		)
	}
}

// challenges wants every answer to verify, and at least one of each key.
func (a *keyAudit) challenges(c *Check, needed map[string]bool) {
	answered := map[string]bool{}
	nonces := map[string]int{}
	for _, ch := range a.ledger.challenges {
		if seq, ok := nonces[string(ch.Nonce)]; ok {
			c.problem("line %d: repeats the nonce of line %d", ch.seq, seq)
		}
		nonces[string(ch.Nonce)] = ch.seq
		key := a.ledger.key(ch.Name)
		if key == nil || key.seq > ch.seq || key.SPKI != ch.SPKI {
			c.problem("line %d: challenges the %s key as %s, which is not its key on record before", ch.seq, ch.Name, ch.SPKI)
			continue
		}
		if ch.result == 0 {
			continue
		}
		if err := verifyChallenge(key.PublicKey, ch.Nonce, ch.signature); err != nil {
			c.problem("line %d: challenge of the %s key: %v", ch.result, ch.Name, err)
			continue
		}
		if ch.Clone != nil {
			a.clone(c, ch, key)
			continue
		}
		answered[ch.Name] = true
	}
	for _, name := range sortedKeys(needed) {
		if !answered[name] {
			c.problem("%s: the %s key never answered a challenge", transcriptFile, name)
		}
	}
}

// verifyChallenge checks an answer as the documentation of signer specifies it:
// a line of text, a nonce of 32 bytes, the DER SubjectPublicKeyInfo, hashed
// with the key's own hash.
func verifyChallenge(spki, nonce, signature []byte) error {
	if len(nonce) != 32 {
		return fmt.Errorf("nonce of %d bytes, not 32", len(nonce))
	}
	pub, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		return err
	}
	hash := crypto.SHA256
	switch algorithm(pub) {
	case "ECDSA-P384":
		hash = crypto.SHA384
	case "ECDSA-P521":
		hash = crypto.SHA512
	}
	h := hash.New()
	h.Write([]byte("officiant challenge v1\n"))
	h.Write(nonce)
	h.Write(spki)
	digest := h.Sum(nil)
	switch k := pub.(type) {
	case *ecdsa.PublicKey:
		if ecdsa.VerifyASN1(k, digest, signature) {
			return nil
		}
	case *rsa.PublicKey:
		if rsa.VerifyPKCS1v15(k, hash, digest, signature) == nil {
			return nil
		}
	}
	return errors.New("the answer does not verify")
}

// algorithm names a public key's kind and size as plans write it.
func algorithm(pub crypto.PublicKey) string {
	switch k := pub.(type) {
	case *ecdsa.PublicKey:
		return "ECDSA-" + strings.ReplaceAll(k.Curve.Params().Name, "-", "")
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA-%d", k.N.BitLen())
	}
	return fmt.Sprintf("%T", pub)
}

// keyName returns which key on record, or which authority, has a fingerprint.
func (a *view) keyName(spki fingerprint.SHA256) string {
	for _, k := range a.ledger.keyLines {
		if k.SPKI == spki {
			return k.Name
		}
	}
	if a.plan == nil {
		return ""
	}
	for _, p := range a.plan.Plan.Authorities {
		if cert := a.authority(p.Name); cert != nil && fingerprint.Of(cert.RawSubjectPublicKeyInfo) == spki {
			return p.Name
		}
	}
	return ""
}
