package audit

import (
	"strings"

	"officiant/bundle/phrase"
	"officiant/ceremony/quorum"
	"officiant/ceremony/transcript"
)

// shareAudit proves who put a PIN together.
type shareAudit struct{ *view }

func (a *shareAudit) any() bool { return len(a.lines()) > 0 }

func (a *shareAudit) lines() (out []transcript.Line) {
	if a.t == nil {
		return nil
	}
	for _, l := range a.t.Lines {
		if _, ok := l.Record.(transcript.PINShares); ok {
			out = append(out, l)
		}
	}
	return out
}

// opened holds each PIN that was put together against its set: enough people, each
// with a proof for this token and this ceremony.
func (a *shareAudit) opened(c *Check) {
	for _, l := range a.lines() {
		r := l.Record.(transcript.PINShares)
		set, err := quorum.ParseSet([]byte(r.Set))
		if err != nil {
			c.problem("line %d: %v", l.Seq, err)
			continue
		}
		if set.Token != r.Label && set.Token != r.Serial {
			c.problem("line %d: its set is of token %s, and it was used for %s, serial %s", l.Seq, set.Token, r.Label, r.Serial)
		}
		if len(r.Proofs) < set.Threshold {
			c.problem("line %d: %d shares are proven, and it takes %d", l.Seq, len(r.Proofs), set.Threshold)
		}
		purpose := quorum.Opening(r.Label, r.Serial, a.t.Open().Digest)
		var people []string
		for _, p := range r.Proofs {
			if set.Person(p.Index) != p.Person {
				c.problem("line %d: share %d is %s's, and the line says %s", l.Seq, p.Index, set.Person(p.Index), p.Person)
			}
			if err := set.Check(quorum.Proof{Index: p.Index, Text: p.Proof}, purpose); err != nil {
				c.problem("line %d: %v", l.Seq, err)
			}
			people = append(people, p.Person)
		}
		c.note("line %d: the PIN of token %s was put together by %s; set %s", l.Seq, r.Label, strings.Join(people, ", "),
			set.ID())
	}
	c.Detail = phrase.Count(len(a.lines()), "PIN")
}
