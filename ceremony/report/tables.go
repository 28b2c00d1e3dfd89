package report

import (
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"time"

	"officiant/bundle/phrase"
	"officiant/ceremony/revocation"
	"officiant/ceremony/transcript"
)

// Key is a key on record with all that speaks for it.
type Key struct {
	transcript.Key
	Canary     string   // what became of a throw-away key of its template
	Challenges int      // it answered
	Clones     []string // tokens whose clone of it answered
	Claims     []string // what its token says of it
}

// Keys are the keys on record, in the order of their first lines.
func (m *Minutes) Keys() []Key {
	var out []Key
	index := map[string]int{}
	canaries := map[string]string{}
	intents := map[int]transcript.ChallengeIntent{}
	canaryIntents := map[int]transcript.CanaryIntent{}
	for _, l := range m.Record.Lines {
		switch r := l.Record.(type) {
		case transcript.CanaryIntent:
			canaryIntents[l.Seq] = r
		case transcript.Canary:
			in := canaryIntents[r.Intent]
			canaries[in.Token.ID()+in.Algorithm] = canary(r)
		case transcript.Key:
			if i, ok := index[r.Name]; ok {
				out[i].Made = out[i].Made || r.Made
				continue
			}
			index[r.Name] = len(out)
			out = append(out, Key{Key: r, Canary: canaries[r.Token.ID()+r.Algorithm], Claims: claims(r.Attributes)})
		case transcript.ChallengeIntent:
			intents[l.Seq] = r
		case transcript.Challenge:
			i, ok := index[r.Name]
			switch in := intents[r.Intent]; {
			case !ok:
			case in.Clone != nil:
				out[i].Clones = append(out[i].Clones, place(*in.Clone))
			default:
				out[i].Challenges++
			}
		}
	}
	return out
}

func canary(c transcript.Canary) string {
	for _, t := range c.Trials {
		if t.Leaks {
			return "did not stay: " + t.Name
		}
	}
	return fmt.Sprintf("stayed in %s, and was destroyed", phrase.Count(len(c.Trials), "trial"))
}

// claims are a key's attributes, but not those that are long, such as a maker's
// attestation.
func claims(attributes map[string]string) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		if value := attributes[name]; len(value) <= 64 {
			out = append(out, name+" "+value)
		}
	}
	return out
}

func place(t transcript.Token) string {
	return join(t.Label, "serial "+t.Serial, strings.TrimSpace(t.Manufacturer+" "+t.Model))
}

// Place says where the key lives.
func (k Key) Place() string { return place(k.Token) }

// Timed is a step with its times.
type Timed struct {
	N      int
	Title  string
	When   string // what the record cannot tell of it
	From   string
	Took   string
	Lines  int
	Passes int // how many processes came to it
}

// The first two steps come before the record has a place for their titles, and the
// last after it is closed: those are the same in every ceremony.
const (
	firstStep  = "Check every entry of the schedule with throw-away keys"
	secondStep = "Copy the plan and open the record"
	lastStep   = "Verify the ceremony directory"
)

// Steps are all steps of the ceremony, those without a line on record too.
func (m *Minutes) Steps() []Timed {
	steps := make([]Timed, m.Open().Steps)
	from, to := make([]time.Time, len(steps)), make([]time.Time, len(steps))
	for i := range steps {
		steps[i].N = i + 1
	}
	lines := m.Record.Lines
	for i, l := range lines {
		if l.Step < 1 || l.Step > len(steps) {
			continue
		}
		s := &steps[l.Step-1]
		s.Lines++
		if r, ok := l.Record.(transcript.Step); ok {
			s.Title, s.Passes = r.Title, s.Passes+1
		}
		if from[l.Step-1].IsZero() {
			from[l.Step-1] = l.Time
		}
		to[l.Step-1] = l.Time
		if i+1 < len(lines) && lines[i+1].Step != l.Step { // it lasted until the next began
			if _, resumed := lines[i+1].Record.(transcript.Resumed); !resumed {
				to[l.Step-1] = lines[i+1].Time
			}
		}
	}
	for i := range steps {
		s := &steps[i]
		switch {
		case s.Title != "":
		case i == 0:
			s.Title, s.When = firstStep, "before the record began"
		case i == 1:
			s.Title, s.When = secondStep, "the record begins"
		case i == len(steps)-1:
			s.Title, s.When = lastStep, "after the record ended, or never"
		default:
			s.Title = "never begun"
		}
		if s.Lines > 0 {
			s.From, s.Took = clock(from[i]), to[i].Sub(from[i]).Round(10*time.Millisecond).String()
		}
	}
	return steps
}

// Event is something that was not as the script has it.
type Event struct {
	Line int
	When string
	Kind string
	Text string
	By   string
}

// Events are deviations, waivers, other station files, notes, interruptions, and what
// was left behind.
func (m *Minutes) Events() []Event {
	var out []Event
	for _, l := range m.Record.Lines {
		e := Event{Line: l.Seq, When: stamp(l.Time)}
		switch r := l.Record.(type) {
		case transcript.Deviation:
			e.Kind, e.Text, e.By = "deviation", r.Text, strings.Join(r.By, ", ")
			if r.Waives != "" {
				e.Kind = "waived: " + r.Waives
			}
		case transcript.PINShares:
			e.Kind, e.Text = "PIN by shares", "of token "+r.Label+", serial "+r.Serial
			var by []string
			for _, p := range r.Proofs {
				by = append(by, p.Person)
			}
			e.By = strings.Join(by, ", ")
		case transcript.PINRefused:
			e.Kind = "wrong PIN"
			e.Text = fmt.Sprintf("try %d of token %s, serial %s", r.Tries, r.Token.Label, r.Token.Serial)
			if r.For != "" {
				e.Text += ", for a signature by " + r.For
			}
		case transcript.StationChanged:
			e.Kind, e.By = "another station file", strings.Join(r.By, ", ")
			e.Text = fmt.Sprintf("from here on SHA-256 %s: %s", r.Station, r.Reason)
		case transcript.Note:
			e.Kind, e.Text, e.By = "note", r.Text, r.By
		case transcript.Paused:
			e.Kind, e.Text = "paused", r.Reason
		case transcript.Resumed:
			e.Kind, e.Text = "gone on", resumed(r)
		case transcript.Abandoned:
			e.Kind, e.Text = "abandoned", fmt.Sprintf("what line %d was about to sign: %s", r.Intent, r.Reason)
		case transcript.KeyAbandoned:
			e.Kind, e.Text = "left behind", fmt.Sprintf("perhaps a key of %s, id %s: %s", r.Name, r.ID, r.Reason)
		default:
			continue
		}
		out = append(out, e)
	}
	return out
}

func resumed(r transcript.Resumed) string {
	s := "by officiant " + r.Program.Version + " on " + r.Host.Name
	if r.Cut != nil {
		s += "; a line that was being written was cut off"
	}
	if len(r.Removed) > 0 {
		s += "; removed: " + strings.Join(r.Removed, ", ")
	}
	return s
}

// Room are the checks of the room that found something, at the last look.
func (m *Minutes) Room() []transcript.RoomCheck {
	var out []transcript.RoomCheck
	for _, l := range m.Record.Lines {
		if r, ok := l.Record.(transcript.Preflight); ok {
			out = nil
			for _, c := range r.Checks {
				if c.Wrong != "" {
					out = append(out, c)
				}
			}
		}
	}
	return out
}

// Looked says how many checks of the room there were, at the last look.
func (m *Minutes) Looked() (n int) {
	for _, l := range m.Record.Lines {
		if r, ok := l.Record.(transcript.Preflight); ok {
			n = len(r.Checks)
		}
	}
	return n
}

// Issued is a certificate on record.
type Issued struct {
	Name, By, Subject, Serial, Until string
}

// mostLeaves is how many leaves the minutes list one by one; the record has all.
const mostLeaves = 400

// Leaves are the certificates of nodes, in the record's order; none when there
// are too many for paper.
func (m *Minutes) Leaves() []Issued {
	var out []Issued
	for _, c := range m.Record.Certificates() {
		if c.Certificate.IsCA {
			continue
		}
		out = append(out, Issued{c.Name, c.Signer, c.Certificate.Subject.String(), fmt.Sprintf("%x",
			c.Certificate.SerialNumber), day(c.Certificate.NotAfter)})
	}
	if len(out) > mostLeaves {
		return nil
	}
	return out
}

// LeafCount is how many certificates of nodes were issued.
func (m *Minutes) LeafCount() (n int) {
	for _, c := range m.Record.Certificates() {
		if !c.Certificate.IsCA {
			n++
		}
	}
	return n
}

// List is an authority's newest revocation list.
type List struct {
	By, Number, Revoked, Next string
	Made                      bool // here
	Entries                   []Revoked
}

// Revoked is a certificate on a revocation list.
type Revoked struct{ Serial, Name, Since, Reason string }

// mostRevoked is how many of a list's entries the minutes have; the list has all.
const mostRevoked = 400

// Lists are the newest lists of all authorities that have one.
func (m *Minutes) Lists() []List {
	var out []List
	for _, l := range m.Record.RevocationLists() {
		one := List{
			By: l.Signer, Number: fmt.Sprint(l.List.Number),
			Revoked: phrase.Count(len(l.List.RevokedCertificateEntries),
				"certificate"),
			Next: day(l.List.NextUpdate), Made: l.Name != "",
		}
		for _, e := range l.List.RevokedCertificateEntries[:min(len(l.List.RevokedCertificateEntries), mostRevoked)] {
			one.Entries = append(one.Entries, Revoked{
				Serial: e.SerialNumber.Text(16), Name: m.revokedName(e.SerialNumber), Since: stamp(e.RevocationTime),
				Reason: string(revocation.OfCode(e.ReasonCode)),
			})
		}
		out = append(out, one)
	}
	return out
}

// revokedName is what the plan says of a certificate it revokes; empty: an earlier
// ceremony revoked it.
func (m *Minutes) revokedName(serial *big.Int) string {
	if m.Plan == nil {
		return ""
	}
	for _, v := range m.Plan.Plan.Revocations {
		if v.Serial.Int != nil && v.Serial.Cmp(serial) == 0 {
			return v.Comment
		}
	}
	return ""
}
