package audit

import (
	"fmt"
	"slices"
	"strings"

	"officiant/bundle/phrase"
	"officiant/ceremony/transcript"
)

// pinAudit proves that what the record says of wrong PINs can have happened.
type pinAudit struct{ *view }

func (a *pinAudit) any() bool {
	return a.t != nil && slices.ContainsFunc(a.t.Lines, func(l transcript.Line) bool {
		_, ok := l.Record.(transcript.PINRefused)
		return ok
	})
}

// device is a token as each login to it sees it.
type device struct{ backend, label, serial, model, manufacturer string }

func deviceOf(t transcript.Token) device {
	return device{t.Backend, t.Label, t.Serial, t.Model, t.Manufacturer}
}

// refused walks the record as it was written, and counts the wrong PINs of each token.
// One that was for a signature was by a key that the token was known to have.
func (a *pinAudit) refused(c *Check) {
	wrong := map[device]int{}
	holds := map[device][]string{} // labels of keys
	clones := map[device]bool{}
	n := 0
	for _, l := range a.t.Lines {
		switch r := l.Record.(type) {
		case transcript.Token:
			wrong[deviceOf(r)] = 0
		case transcript.Key:
			holds[deviceOf(r.Token)] = append(holds[deviceOf(r.Token)], r.Label)
		case transcript.ChallengeIntent:
			if r.Clone != nil {
				clones[deviceOf(*r.Clone)] = true
			}
		case transcript.PINRefused:
			n++
			d := deviceOf(r.Token)
			wrong[d]++
			a.one(c, l.Seq, r, wrong[d])
			if r.For != "" && !clones[d] && !slices.Contains(holds[d], r.For) {
				c.problem("line %d: a PIN for a signature by %s, which token %s is not known to have", l.Seq, r.For,
					d.label)
			}
		}
	}
	c.Detail = phrase.Count(n, "wrong PIN")
}

// one tells of a wrong PIN, of which the lines so far have made so many.
func (a *pinAudit) one(c *Check, seq int, r transcript.PINRefused, lines int) {
	where := fmt.Sprintf("token %s, serial %s", r.Token.Label, r.Token.Serial)
	if r.For != "" {
		where += ", for a signature by " + r.For
	}
	c.note("line %d: a PIN was refused by %s: try %d since it was last opened", seq, where, r.Tries)
	if r.Tries != lines {
		c.problem("line %d: says that it was try %d, and it was %d", seq, r.Tries, lines)
	}
	if strings.HasSuffix(r.Token.Backend, "kms") || r.Token.Label+r.Token.Serial == "" {
		c.problem("line %d: a PIN was refused by %q, which asks for none", seq, r.Token.Backend)
	}
}
