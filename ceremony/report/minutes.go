package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/bundle/phrase"
	"officiant/ceremony/audit"
	"officiant/ceremony/schedule"
	"officiant/ceremony/transcript"
)

// Minutes are what one ceremony's directory says about it.
type Minutes struct {
	Record *transcript.Transcript // nil when it does not read: then there is the audit alone
	Plan   *schedule.Ceremony     // as the ceremony carried it out; nil when the directory's copy does not expand
	Audit  *audit.Report          // of the directory, without pins and without a time of its own
}

// HTML writes the minutes as one page.
func (m *Minutes) HTML(w io.Writer) error { return render(w, "minutes.html", m) }

// Open is the first line of the record.
func (m *Minutes) Open() transcript.Open { return m.Record.Open() }

// Verdict is the outcome of the audit for a reader's eye.
type Verdict struct {
	Class    string // of the style sheet
	Title    string
	Text     string
	Findings []string
}

// Verdict says how the directory holds together.
func (m *Minutes) Verdict() Verdict {
	findings := m.Audit.Findings()
	switch m.Audit.Verdict() {
	case audit.Verified, audit.Unpinned, audit.RootAlone:
		return Verdict{
			Title: "The record holds together: every check, no finding",
			Text: "Whose ceremony it is, no page can say. Compare the fingerprints " +
				"below with what was read aloud and written down in the room.",
		}
	case audit.Unfinished:
		return Verdict{
			"open",
			"Unfinished",
			"The ceremony is unfinished. These minutes tell what was done so far.",
			findings,
		}
	}
	if m.Record != nil && m.Open().Rehearsal && len(findings) == 1 {
		return Verdict{
			"bad",
			"A rehearsal: not for use",
			"It was made on throw-away tokens. Apart from that, the record holds together.",
			findings,
		}
	}
	return Verdict{
		"bad",
		"DOES NOT VERIFY: " + phrase.Count(len(findings), "finding"),
		"This directory is not what a ceremony leaves. " +
			"Use nothing in it before each finding is explained; what these minutes say below is no better " +
			"than the directory.",
		findings,
	}
}

// Name is the ceremony's, as far as it is known.
func (m *Minutes) Name() string {
	if m.Audit.Name == "" {
		return "a ceremony without a record"
	}
	return m.Audit.Name
}

// Began and Ended are the first and the last line's time.
func (m *Minutes) Began() string { return stamp(m.Record.Lines[0].Time) }
func (m *Minutes) Ended() string { return stamp(m.last().Time) }

func (m *Minutes) last() transcript.Line { return m.Record.Lines[len(m.Record.Lines)-1] }

// Took is how long all of it took, pauses too.
func (m *Minutes) Took() string {
	return m.last().Time.Sub(m.Record.Lines[0].Time).Round(time.Second).String()
}

// Fact is a line of a list of facts.
type Fact struct{ Name, Value string }

// Facts are the circumstances, as the first line has them.
func (m *Minutes) Facts() []Fact {
	open := m.Open()
	out := []Fact{
		{"Cluster", fmt.Sprintf("%s, ceremony %d of its chain", open.Cluster, open.Sequence)},
		{"Begin", m.Began()},
		{"End", fmt.Sprintf("%s, after %s", m.Ended(), m.Took())},
		{"Machine", join(open.Host.Name, open.Host.Kernel)},
		{"Interfaces up", orNone(strings.Join(open.Host.Interfaces, ", "))},
		{"Program", join("officiant "+open.Program.Version, open.Program.Go, "SHA-256 "+open.Program.SHA256.String())},
	}
	for _, mod := range open.Modules {
		out = append(out, Fact{"PKCS#11 module", join(mod.Path, "SHA-256 "+mod.SHA256)})
	}
	out = append(out, Fact{"Station file", "SHA-256 " + open.Station.String()})
	for _, p := range open.Predecessors {
		out = append(out, Fact{"Continues", fmt.Sprintf("ceremony %d of %s, head %s", p.Sequence, p.Cluster, p.Head)})
	}
	if l := open.Lost; l != nil {
		return append(
			out,
			Fact{"Begins anew", fmt.Sprintf("the records of ceremonies 1 to %d are lost: %s", l.Sequence, l.Reason)},
		)
	}
	if len(open.Predecessors) == 0 {
		out = append(out, Fact{"Continues", "none: the first of its chain"})
	}
	return out
}

// Made counts what came out.
func (m *Minutes) Made() []Fact {
	keys, found := 0, 0
	for _, k := range m.Keys() {
		if k.Made {
			keys++
		} else {
			found++
		}
	}
	out := []Fact{{"Keys made", phrase.Count(keys, "key")}}
	if found > 0 {
		out = append(out, Fact{"Keys used", phrase.Count(found, "key") + " that existed"})
	}
	out = append(out, Fact{"Certificates", phrase.Count(m.Audit.Certificates, "certificate")})
	if m.Audit.Abandoned > 0 {
		out = append(
			out,
			Fact{
				"Abandoned",
				phrase.Count(m.Audit.Abandoned, "certificate") +
					" with no result on record; their serial numbers count as issued",
			},
		)
	}
	return append(out,
		Fact{"Bundles", phrase.Count(m.Audit.Bundles, "bundle")},
		Fact{"Record", phrase.Count(m.Audit.Lines, "line")})
}

// Attendee is one of the plan's people, and what they did.
type Attendee struct {
	Name, Role string
	Present    bool
	Said       []string
}

// People are those the plan names.
func (m *Minutes) People() []Attendee {
	present := map[string]bool{}
	for _, l := range m.Record.Lines {
		if a, ok := l.Record.(transcript.Attendance); ok {
			for _, name := range a.Present {
				present[name] = true
			}
		}
	}
	var out []Attendee
	for _, p := range m.Open().People {
		a := Attendee{Name: p.Name, Role: p.Role, Present: present[p.Name]}
		for _, name := range m.Audit.Approved {
			if name == p.Name {
				a.Said = append(a.Said, "approved the digest")
			}
		}
		for _, name := range m.Audit.Witnessed {
			if name == p.Name {
				a.Said = append(a.Said, "signed the head of the record")
			}
		}
		out = append(out, a)
	}
	return out
}

// Marks are the fingerprints to compare.
func (m *Minutes) Marks() []mark {
	var out []mark
	for _, f := range []struct {
		name, note string
		sum        *fingerprint.SHA256
	}{
		{"Root certificate", "SHA-256 of its DER", m.Audit.Root},
		{"Release key", "SHA-256 of its SubjectPublicKeyInfo", m.Audit.Release},
		{"Release key that follows", "announced here; nodes take it by this", m.successor()},
		{"Head of the record", "SHA-256 of its last line; it stands for every line", m.Audit.Head},
		{"Digest of the ceremony", "plan, inputs and schedule, as approved", m.Audit.Digest},
		{"People who may approve", "as the plan names them", m.Audit.People},
	} {
		if f.sum != nil {
			out = append(out, mark{f.name, f.note, *f.sum})
		}
	}
	return out
}

// successor is the release key that the closing line announces, if it does.
func (m *Minutes) successor() *fingerprint.SHA256 {
	if c, ok := m.last().Record.(transcript.Closed); ok {
		return c.Successor
	}
	return nil
}

// Signers are those who sign the minutes.
func (m *Minutes) Signers() []person {
	var out []person
	for _, p := range m.Open().People {
		out = append(out, person{Name: p.Name, Role: p.Role})
	}
	if out == nil {
		for _, role := range []string{"administrator", "officer", "witness"} {
			out = append(out, person{Role: role})
		}
	}
	return out
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }
func clock(t time.Time) string { return t.UTC().Format("15:04:05") }
func day(t time.Time) string   { return t.UTC().Format(time.DateOnly) }

// join puts what there is of some texts together.
func join(parts ...string) string {
	var out []string
	for _, p := range parts {
		if p != "" {
			out = append(out, p)
		}
	}
	return orNone(strings.Join(out, ", "))
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
