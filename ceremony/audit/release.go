package audit

import (
	"crypto/x509"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
)

// originAudit holds the ceremony against pins.
type originAudit struct {
	*view
	chain *chainAudit // for announcements of release keys
}

// releaseKeys holds the key that signed bundles and record, and the one they
// announce, against the plan and against what the last ceremony announced.
func (a *keyAudit) releaseKeys(c *Check) {
	plan := a.plan.Plan.Release
	if key := a.ledger.release(); key != nil && key.Name != plan.Name {
		c.problem("line %d: the %s key signed the record, the plan's release key is %s", key.seq, key.Name, plan.Name)
	}
	if plan.Successor.Key.Create != "" && a.ledger.key(plan.Successor.Name) == nil {
		c.problem("%s: the %s key is to be announced, and is not on record", transcriptFile, plan.Successor.Name)
	}
	announced := a.ledger.closed.Successor
	switch der := a.successor(); {
	case der == nil && announced != nil:
		c.problem("%s: announces release key %s, which the plan does not", transcriptFile, announced)
	case der != nil && (announced == nil || *announced != fingerprint.Of(der)):
		c.problem(
			"%s: its last line announces release key %s, the plan's successor is %s",
			transcriptFile,
			shown(announced),
			fingerprint.Of(der),
		)
	}
	before := a.past.release()
	key := a.ledger.release()
	if before == nil || key == nil || a.t.Open().Rehearsal || key.SPKI == before.Signer ||
		before.Successor != nil && key.SPKI == *before.Successor {
		return
	}
	if plan.Lost != before.Signer {
		c.note(
			"the release key is another than the last ceremony's, %s, which did not announce it, and the plan does not "+
				"call that one lost",
			before.Signer,
		)
		return
	}
	c.note("the release key %s was lost; it does not vouch for this one, people compared it", before.Signer)
}

// successor is the release key that bundles announce, as DER; nil when there is none.
func (a *view) successor() []byte {
	s := a.plan.Plan.Release.Successor
	if s.Key.Create == "" {
		return publicDER(a.plan.Inputs[s.Public])
	}
	if key := a.ledger.key(s.Name); key != nil {
		return key.PublicKey
	}
	return nil
}

// successorPEM is it as bundles have it.
func (a *view) successorPEM() []byte {
	der := a.successor()
	if _, err := x509.ParsePKIXPublicKey(der); err != nil {
		return nil
	}
	return publicPEM(der)
}

// origin compares with the pins, and says what they do and do not vouch for.
func (a *originAudit) origin(c *Check) {
	if root := a.authorities()[kubepki.Root]; root != nil {
		f := fingerprint.Of(root.Raw)
		a.report.Root = &f
	}
	r := a.report
	if a.o.Root == nil && a.o.ReleaseKey == nil && a.o.Release == nil {
		c.Skipped = "no pin was given"
		return
	}
	c.Detail = a.given()
	if a.o.Root != nil {
		r.RootPinned = r.Root != nil && *r.Root == *a.o.Root
		for _, root := range a.trusted()[kubepki.Root] {
			if fingerprint.Of(root.Raw) == *a.o.Root {
				r.RootPinned = true
				c.note("the pinned root stands beside %s, which issues: a rollover is under way", shown(r.Root))
			}
		}
		if !r.RootPinned {
			c.problem("the root certificate is %s, pinned is %s%s", shown(r.Root), *a.o.Root,
				otherPin(*a.o.Root, r.Release, "release key"))
		}
	}
	for _, want := range a.o.releases() {
		if r.Release == nil || !a.announcedUnder(c, want)[*r.Release] {
			c.problem("the release key is %s, pinned is %s%s", shown(r.Release), want,
				otherPin(want, r.Root, "root certificate")+a.whereAnnounced(want))
		} else {
			r.ReleasePinned = true
		}
	}
	r.Pinned = (r.RootPinned || r.ReleasePinned) && len(c.Problems) == 0
	if !r.ReleasePinned && r.RootPinned {
		c.note(
			"the root vouches for the certificates; for the record, sealed secrets and bundles the release key does: compare %s",
			shown(r.Release),
		)
	}
}

// releases are the release keys that are pinned.
func (o Options) releases() (pins []fingerprint.SHA256) {
	if o.ReleaseKey != nil {
		spki, _ := fingerprint.SPKI(o.ReleaseKey) // of what is no key here: the zero value, which none has
		pins = append(pins, spki)
	}
	if o.Release != nil {
		pins = append(pins, *o.Release)
	}
	return pins
}

// given says which of the two was pinned: the other one is as the record says.
func (a *originAudit) given() string {
	switch {
	case a.o.Root == nil:
		return "only the release key was given"
	case a.o.ReleaseKey == nil && a.o.Release == nil:
		return "only the root was given"
	}
	return "both were given"
}

// announcedUnder are the release keys that a pinned one vouches for: itself, and
// each that a previous ceremony, sound and by one of them, announced. It needs
// these ceremonies' directories, since a record is signed as a whole.
func (a *originAudit) announcedUnder(c *Check, pinned fingerprint.SHA256) map[fingerprint.SHA256]bool {
	known := map[fingerprint.SHA256]bool{pinned: true}
	for more := true; more; {
		more = false
		for _, f := range a.chain.sound {
			next := f.ledger.closed.Successor
			if next == nil || known[*next] || !known[f.ledger.closed.Signer] || f.report.Cluster != a.report.Cluster {
				continue
			}
			c.note("ceremony %d, by release key %s, announced release key %s", f.report.Sequence, f.ledger.closed.Signer, next)
			known[*next], more = true, true
		}
	}
	return known
}

// otherPin says that a pin is the fingerprint of what the other pin is for.
func otherPin(pinned fingerprint.SHA256, other *fingerprint.SHA256, name string) string {
	if other == nil || *other != pinned {
		return ""
	}
	return ", which is the fingerprint of the " + name
}

// whereAnnounced says what is missing when the last ceremony, by its record,
// announced the release key under the pinned one.
func (a *originAudit) whereAnnounced(pinned fingerprint.SHA256) string {
	before := a.past.release()
	if before == nil || before.Successor == nil || a.report.Release == nil || *before.Successor != *a.report.Release ||
		before.Signer != pinned {
		return ""
	}
	return "; the last ceremony announced it under that key, which its own directory proves, given as a previous one"
}

func shown(f *fingerprint.SHA256) string {
	if f == nil {
		return "not known"
	}
	return f.String()
}
