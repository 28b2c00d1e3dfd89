package audit

import (
	"slices"
	"strings"

	"officiant/ceremony/transcript"
)

// canaryLine is a canary and what became of it.
type canaryLine struct {
	seq int // of the intent
	transcript.CanaryIntent
	result int // seq; 0: none
	trials []transcript.Trial
}

// leaks says whether the token let the canary out.
func (l *canaryLine) leaks() bool {
	for _, t := range l.trials {
		if t.Leaks {
			return true
		}
	}
	return false
}

// looksAway says whether a trial that the token went along with is told as none
// that leaks. An empty private value is not one.
func (l *canaryLine) looksAway() bool {
	for _, t := range l.trials {
		if strings.HasPrefix(t.Outcome, "accepted") && t.Outcome != "accepted: 0 bytes" && !t.Leaks {
			return true
		}
	}
	return false
}

// ways are the ways out that every canary has to be tried on: how a trial's name
// begins, and what it would make of the canary.
var ways = []struct{ trial, made string }{
	{"read ", "read"},
	{"copy ", "copied"},
	{"wrap ", "wrapped"},
	{"set CKA_EXTRACTABLE ", "made extractable"},
	{"set CKA_SENSITIVE ", "made readable"},
}

// untried names a way out that was not tried; empty when all were. A record
// without the trial that leaks would be a record without a leak.
func (l *canaryLine) untried() string {
	for _, w := range ways {
		if !slices.ContainsFunc(l.trials, func(t transcript.Trial) bool { return strings.HasPrefix(t.Name, w.trial) }) {
			return w.made
		}
	}
	return ""
}

// canaries wants each canary to be of an algorithm that keys are made of, and
// to have been tried to its end.
func (a *keyAudit) canaries(c *Check) {
	for _, l := range a.ledger.canaries {
		switch {
		case l.result == 0:
			c.problem("line %d: a canary was made in token %s, and no line says what became of it", l.seq, l.Token.Label)
		case l.untried() != "":
			c.problem("line %d: nothing says whether the canary of line %d could be %s", l.result, l.seq, l.untried())
		case !a.makes(l.Algorithm):
			c.problem("line %d: a canary of %s, but the plan creates no such key", l.seq, l.Algorithm)
		case l.looksAway():
			c.problem("line %d: the token did what was tried on the canary of line %d, and the line says that "+
				"nothing leaked",
				l.result, l.seq)
		case l.leaks():
			c.note("line %d: token %s let a canary of %s out; its keys are graded unproven", l.result, l.Token.Label,
				l.Algorithm)
		}
	}
}

func (a *keyAudit) makes(algorithm string) bool {
	if r := a.plan.Plan.Release; string(r.Key.Create) == algorithm || string(r.Successor.Key.Create) == algorithm {
		return true
	}
	for _, p := range a.plan.Plan.Authorities {
		if string(p.Key.Create) == algorithm {
			return true
		}
	}
	return false
}

// tried wants a canary before a key is made in a token, and a grade that does
// not look away from what happened to it. A KMS has none: it would keep the
// canary for days.
func (a *keyAudit) tried(c *Check, bad func(string, ...any), k keyLine, before int) {
	if k.Token.Backend != "pkcs11" {
		return
	}
	found := false
	for _, l := range a.ledger.canaries {
		if l.Token.ID() != k.Token.ID() || l.Algorithm != k.Algorithm || l.result == 0 || l.result > before {
			continue
		}
		found = true
		if l.leaks() && k.Grade != grades[0] {
			bad("evidence is said to be %q, but line %d says that its token let a canary out", k.Grade, l.result)
		}
	}
	if !found && slotted(k) {
		if k.Grade != "attested" {
			c.unchecked("line %d: the %s key was made in a slot of a YubiKey, where no canary is tried, and its "+
				"attestation led to no root that was known then: %s", k.seq, k.Name, k.Attributes["attestation.result"])
		}
		return
	}
	if !found {
		bad("was made before a canary of its algorithm was tried in its token")
	}
}

// slotted tells a key that a YubiKey made and attests: a canary would take one of its slots,
// which only a reset frees, and PIV has no command that gives a private key out.
func slotted(k keyLine) bool {
	return strings.HasPrefix(k.Token.Model, "YubiKey") && strings.HasPrefix(k.Token.Manufacturer, "Yubico") &&
		k.Attributes["attestation.result"] != ""
}
