package audit

import (
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

// canaries wants each canary to be of an algorithm that keys are made of, and
// to have been tried to its end.
func (a *auditor) canaries(c *Check) {
	for _, l := range a.ledger.canaries {
		switch {
		case l.result == 0:
			c.problem("line %d: a canary was made in token %s, and no line says what became of it", l.seq, l.Token.Label)
		case len(l.trials) == 0:
			c.problem("line %d: nothing was tried on the canary of line %d", l.result, l.seq)
		case !a.makes(l.Algorithm):
			c.problem("line %d: a canary of %s, and the plan has no such key made", l.seq, l.Algorithm)
		case l.looksAway():
			c.problem("line %d: the token did what was tried on the canary of line %d, and that is said to be no leak", l.result, l.seq)
		case l.leaks():
			c.note("line %d: token %s let a canary of %s out; its keys are graded unproven", l.result, l.Token.Label, l.Algorithm)
		}
	}
}

func (a *auditor) makes(algorithm string) bool {
	if string(a.plan.Plan.Release.Key.Create) == algorithm {
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
func (a *auditor) tried(bad func(string, ...any), k keyLine, before int) {
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
	if !found {
		bad("was made before a canary of its algorithm was tried in its token")
	}
}
