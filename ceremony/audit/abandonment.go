package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"officiant/bundle/fingerprint"
	"officiant/bundle/phrase"
	"officiant/ceremony/approval"
	"officiant/ceremony/transcript"
)

// Names of an abandonment's files.
const (
	abandonmentFile = "abandonment/statement.txt"
	agreements      = "abandonment/approvals/"
)

// abandonmentAudit proves that a ceremony's people gave it up, and that no key was
// destroyed but what it had made for itself.
type abandonmentAudit struct{ *view }

func (a *abandonmentAudit) given() bool { return a.t != nil && a.abandonment() != nil }

// abandonment is the line that gives the ceremony up; nil: none does.
func (a *view) abandonment() *transcript.Line { return a.t.Abandonment() }

// abandonment holds the line against people's signatures, the keys against the lines
// before it, and their ends against those after it.
func (a *abandonmentAudit) abandoned(c *Check) {
	l := a.abandonment()
	r := l.Record.(transcript.Abandonment)
	c.note("line %d: abandoned at %s: %s", l.Seq, stamp(l.Time), r.Reason)
	a.agreed(c, l.Seq, r)
	a.keysNamed(c, l.Seq, r)
	a.ends(c, r)
	if n := a.report.Certificates + a.report.Abandoned; n > 0 {
		c.note("%s signed by then count as issued, %d of them without a result on record",
			phrase.Count(n, "certificate"),
			a.report.Abandoned)
	}
	c.Detail = phrase.Count(len(r.Keys), "key")
}

// statement is what people signed, in its one spelling.
func (a *abandonmentAudit) statement(r transcript.Abandonment) []byte {
	open := a.t.Open()
	var b bytes.Buffer
	fmt.Fprintf(&b, "officiant abandonment v1\ncluster %s\nceremony %d %s\n", open.Cluster, open.Sequence, open.Name)
	fmt.Fprintf(&b, "first %s\nhead %s\nreason %q\n", a.t.Lines[0].Hash, r.Head, r.Reason)
	for _, k := range r.Keys {
		public, where, end := "unknown", "nowhere", "destroy"
		if k.SPKI != nil {
			public = k.SPKI.String()
		}
		if k.Token != nil {
			where = fmt.Sprintf("%s %q serial %q", k.Token.Backend, k.Token.Label, k.Token.Serial)
		}
		if k.Kept != "" {
			end = fmt.Sprintf("keep %q", k.Kept)
		}
		fmt.Fprintf(&b, "key %s id %s public-key %s in %s: %s\n", k.Name, k.ID, public, where, end)
	}
	return b.Bytes()
}

// agreed wants the statement, and enough of the people of the first line to have signed it.
func (a *abandonmentAudit) agreed(c *Check, seq int, r transcript.Abandonment) {
	text := a.statement(r)
	if err := a.same(abandonmentFile, text); err != nil {
		c.problem("%v", err)
	}
	a.expect(abandonmentFile)
	open := a.t.Open()
	if len(open.People) == 0 {
		if by := slices.Compact(slices.Sorted(slices.Values(r.By))); len(by) < 2 {
			c.problem("line %d: abandoned by fewer than two people", seq)
		}
		c.note("line %d: the plan names nobody who had to sign; it was said to be by %s", seq, strings.Join(r.By, ", "))
		return
	}
	people := approval.People{Threshold: open.Threshold}
	for _, p := range open.People {
		people.List = append(people.List, approval.Person(p))
	}
	files, counted := a.filesOf(agreements), map[string][]byte{}
	for name, data := range files {
		if slices.ContainsFunc(
			r.Approvals,
			func(o transcript.Approval) bool { return o.Signature == fingerprint.Of(data) },
		) {
			counted[name] = data
		}
	}
	verdict := approval.JudgeAbandonment(
		fingerprint.Of(text),
		counted,
		approval.Group{Whose: "the first line", People: people},
	)
	for _, v := range verdict.Approvals {
		a.expect(agreements + v.File)
		c.note("agreed to by %s, %s", v.Person, v.Key)
		if !slices.Contains(r.Approvals, transcript.Approval{Person: v.Person, Key: v.Key, Signature: v.Signature}) {
			c.problem("line %d: disagrees about who signed %s%s", seq, agreements, v.File)
		}
	}
	if len(verdict.Approvals) < len(r.Approvals) {
		c.problem("%s: %d signatures on record are missing, or not of this statement", agreements,
			len(r.Approvals)-len(verdict.Approvals))
	}
	for _, t := range verdict.Progress {
		if !t.Enough() {
			c.problem("%s: too few people agreed: %s", agreements, t)
		}
	}
}

// keysNamed wants the line to name each key that was to be made, as the lines before
// have it, and to have none destroyed that could be another ceremony's or vouch for a
// bundle.
func (a *abandonmentAudit) keysNamed(c *Check, seq int, r transcript.Abandonment) {
	var want []transcript.AbandonedKey
	bound, bundle := map[string]bool{}, false
	for l := range a.t.Acts() {
		if l.Seq >= seq {
			break
		}
		switch k := l.Record.(type) {
		case transcript.KeyIntent:
			want = append(want, transcript.AbandonedKey{Name: k.Name, Label: k.Label, ID: k.ID, Token: k.Token})
			sum := sha256.Sum256(fmt.Appendf(nil, "officiant key id v1\n%s\n%s\n%x\n", a.t.Lines[0].Hash, k.Name, k.Salt))
			bound[k.Name+k.ID] = len(k.Salt) == 16 && k.Token != nil && hex.EncodeToString(sum[:16]) == k.ID
		case transcript.Key:
			for i := range want {
				if k.Made && want[i].Name == k.Name && want[i].ID == k.ID {
					want[i].SPKI = &k.SPKI
				}
			}
		case transcript.SignatureIntent:
			bundle = true
		}
	}
	for i, k := range r.Keys {
		if i >= len(want) || k.Kept == "" && !reflect.DeepEqual(k, want[i]) || k.Name != want[i].Name || k.ID != want[i].ID {
			c.problem("line %d: names a %s key of id %s, which the lines before do not have, or have differently",
				seq, k.Name, k.ID)
			continue
		}
		switch {
		case k.Kept != "":
			c.note("the %s key of id %s is kept: %s", k.Name, k.ID, k.Kept)
		case !bound[k.Name+k.ID]:
			c.problem("line %d: has the %s key destroyed, whose id is not tied to this record", seq, k.Name)
		case bundle:
			c.problem("line %d: has the %s key destroyed, and a bundle was signed", seq, k.Name)
		}
	}
	if len(r.Keys) < len(want) {
		c.problem("line %d: names %s, the lines before have %d", seq, phrase.Count(len(r.Keys), "key"), len(want))
	}
}

// ends tells what became of each key.
func (a *abandonmentAudit) ends(c *Check, r transcript.Abandonment) {
	intents := map[int]transcript.DestroyIntent{}
	left, closed := 0, false
	for _, k := range r.Keys {
		if k.Kept == "" {
			left++
		}
	}
	for _, l := range a.t.Lines {
		switch d := l.Record.(type) {
		case transcript.DestroyIntent:
			intents[l.Seq] = d
		case transcript.Destroyed:
			left--
			until := ""
			if d.Until != nil {
				until = ", gone on " + stamp(*d.Until)
			}
			c.note("line %d: the %s key of id %s: %s%s", l.Seq, intents[d.Intent].Name, intents[d.Intent].ID, d.Outcome, until)
		case transcript.AbandonmentClosed:
			closed = true
		}
	}
	a.report.AbandonmentClosed = closed
	if !closed {
		c.problem("%s: unfinished: the ceremony was abandoned, and %s to be destroyed still", transcriptFile,
			phrase.Count(left, "key"))
	}
}
