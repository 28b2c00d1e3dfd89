package report

import (
	"fmt"
	"io"
	"strings"

	"officiant/bundle/phrase"
	"officiant/ceremony/audit"
)

// Text writes the minutes in 80 columns, for a screen without a browser and for paper:
// what the page has, without its pictures and QR codes.
func (m *Minutes) Text(w io.Writer) error {
	t := &text{}
	t.title("MINUTES OF CEREMONY " + m.Name())
	if m.Record != nil && m.Open().Rehearsal {
		t.line("*** REHEARSAL, ON THROW-AWAY TOKENS: NOTHING OF IT IS FOR USE ***\n")
	}
	v := m.Verdict()
	t.paragraph("", v.Title+".")
	t.paragraph("", v.Text)
	for _, f := range v.Findings {
		t.paragraph("  - ", f)
	}
	if m.Record != nil {
		m.textDay(t)
		m.textAuthorities(t)
		m.textLists(t)
		m.textMarks(t)
		m.textKeys(t)
		m.textEvents(t)
		m.textLeaves(t)
	}
	m.textChecks(t)
	if m.Record != nil {
		t.heading("SIGNED")
		for _, p := range m.Signers() {
			t.line("  %-18s %-14s date %s  %s\n", orBlank(p.Name, 16), p.Role, orBlank("", 10), orBlank("", 22))
		}
	}
	_, err := io.WriteString(w, t.String())
	return err
}

// text is a page of 80 columns in the making.
type text struct{ strings.Builder }

func (t *text) line(format string, args ...any)  { fmt.Fprintf(t, format+"\n", args...) }
func (t *text) heading(s string)                 { t.line("\n\n%s\n", s) }
func (t *text) paragraph(indent, text string)    { paragraph(&t.Builder, indent, text) }
func (t *text) fact(name, value string)          { t.paragraph(fmt.Sprintf("%-15s ", name), value) }
func (t *text) more(format string, args ...any)  { t.paragraph("      ", fmt.Sprintf(format, args...)) }
func (t *text) entry(format string, args ...any) { t.paragraph("  ", fmt.Sprintf(format, args...)) }
func (t *text) verbatim(format string, a ...any) { t.line("      "+format, a...) }
func (t *text) title(s string) {
	rule := strings.Repeat("=", columns)
	t.line("%s\n%s\n%s\n", rule, s, rule)
}

// textDay is when, where and by what it was done, who was there, and what came of it.
func (m *Minutes) textDay(t *text) {
	t.heading("WHEN, WHERE, BY WHAT")
	for _, f := range m.Facts() {
		t.fact(f.Name, f.Value)
	}
	t.heading("WHO")
	people := m.People()
	for _, p := range people {
		present := "not on record as present"
		if p.Present {
			present = "present"
		}
		t.entry("%s, %s: %s", p.Name, p.Role, strings.Join(append([]string{present}, p.Said...), ", "))
	}
	switch {
	case len(people) == 0:
		t.entry("The plan names nobody, so nobody had to approve. Who was there is not on record; they sign below.")
	case m.Open().Threshold > 0:
		t.line("\n  %d of them had to approve.", m.Open().Threshold)
	}
	t.heading("WHAT WAS MADE")
	for _, f := range m.Made() {
		t.fact(f.Name, f.Value)
	}
}

func (m *Minutes) textAuthorities(t *text) {
	all := m.Authorities()
	if len(all) == 0 {
		return
	}
	t.heading("THE HIERARCHY")
	for _, a := range all {
		t.entry("%s", join(a.Name, "until "+a.Until(), a.Origin()))
		t.more("%s", a.Subject())
		t.verbatim("serial %s", a.Serial())
		t.verbatim("SHA-256 of the certificate")
		t.verbatim("%s", a.Sum())
	}
	if first := m.First(); first != "" {
		t.line("")
		t.entry("%s", first)
	}
}

func (m *Minutes) textLists(t *text) {
	lists := m.Lists()
	if len(lists) == 0 {
		return
	}
	t.heading("REVOCATION LISTS")
	for _, l := range lists {
		as := ""
		if !l.Made {
			as = "; as it was"
		}
		t.entry("by %s, number %s, revokes %s, next update %s%s", l.By, l.Number, l.Revoked, l.Next, as)
		for _, e := range l.Entries {
			t.verbatim("serial %s", e.Serial)
			t.more("%s", join(e.Name, "since "+e.Since, e.Reason))
		}
	}
}

func (m *Minutes) textMarks(t *text) {
	t.heading("FINGERPRINTS")
	for _, f := range m.Marks() {
		t.entry("%s: %s", f.Name, f.Note)
		for _, l := range f.F.Lines() {
			t.verbatim("%s", l)
		}
		t.line("")
	}
}

func (m *Minutes) textKeys(t *text) {
	t.heading("KEYS, AND THE EVIDENCE FOR EACH")
	keys := m.Keys()
	for i, k := range keys {
		if i > 0 {
			t.line("")
		}
		made := "it existed"
		if k.Made {
			made = "made here"
		}
		t.entry("%s, %s, %s; %s", k.Name, k.Algorithm, made, k.Place())
		t.verbatim("%s", k.SPKI)
		evidence := string(k.Grade)
		if k.Reason != "" {
			evidence += ": " + k.Reason
		}
		t.more("evidence: %s", evidence)
		if k.Canary != "" {
			t.more("a throw-away key of its template %s", k.Canary)
		}
		t.more("%s answered", phrase.Count(k.Challenges, "challenge"))
		for _, c := range k.Clones {
			t.more("clone answered from %s", c)
		}
		if len(k.Claims) > 0 {
			t.more("the token says %s", strings.Join(k.Claims, ", "))
		}
	}
	if len(keys) == 0 {
		t.entry("No key is on record.")
	}
}

// textEvents is what went otherwise, what the room was like, and every step.
func (m *Minutes) textEvents(t *text) {
	t.heading("DEVIATIONS, WAIVERS, NOTES, INTERRUPTIONS")
	events := m.Events()
	for _, e := range events {
		by := ""
		if e.By != "" {
			by = " (" + e.By + ")"
		}
		t.paragraph("  "+e.When+"  ", e.Kind+": "+e.Text+by)
	}
	if len(events) == 0 {
		t.entry("None on record.")
	}
	t.heading("THE ROOM")
	room := m.Room()
	if len(room) == 0 {
		t.entry("%d checks before a token was opened, and nothing was wrong.", m.Looked())
	} else {
		t.entry("%d checks before a token was opened; these were not as a room should be:", m.Looked())
	}
	for _, c := range room {
		t.fact(c.Name, fmt.Sprintf("%s: %s", c.Level, c.Wrong))
	}
	t.heading("EVERY STEP")
	for _, s := range m.Steps() {
		rest := []string{s.When, s.From}
		if s.Took != "" {
			rest = append(rest, "took "+s.Took)
		}
		if s.Lines > 0 {
			rest = append(rest, phrase.Count(s.Lines, "line"))
		}
		if s.Passes > 1 {
			rest = append(rest, fmt.Sprintf("in %d passes", s.Passes))
		}
		t.paragraph(fmt.Sprintf("  %4d  ", s.N), s.Title)
		t.paragraph("        ", join(rest...))
	}
}

func (m *Minutes) textLeaves(t *text) {
	n := m.LeafCount()
	if n == 0 {
		return
	}
	t.heading("CERTIFICATES OF NODES")
	all := m.Leaves()
	for _, l := range all {
		t.entry("%s, by %s, until %s", l.Name, l.By, l.Until)
		t.more("%s", l.Subject)
		t.verbatim("serial %s", l.Serial)
	}
	if len(all) == 0 {
		t.entry("%s, too many for paper; officiant ceremony inventory lists them.", phrase.Count(n, "certificate"))
	}
}

func (m *Minutes) textChecks(t *text) {
	t.heading("WHAT WAS CHECKED")
	for _, c := range m.Audit.Checks {
		t.paragraph("  "+judged(c), c.Name+outcome(c))
		for _, p := range c.Problems {
			t.more("%s", p)
		}
		for _, u := range c.Unchecked {
			t.more("not checked: %s", u)
		}
		for _, n := range c.Notes {
			t.more("%s", n)
		}
	}
	t.line("")
	t.entry("These minutes are a function of the ceremony directory: officiant ceremony report gives the same " +
		"bytes again, and officiant ceremony verify makes the same checks. They prove nothing by themselves.")
}

func judged(c audit.Check) string {
	switch {
	case len(c.Problems) > 0:
		return "FAIL  "
	case c.Skipped != "":
		return "-     "
	}
	return "ok    "
}

func outcome(c audit.Check) string {
	if c.Skipped != "" {
		return ": not checked: " + c.Skipped
	}
	if c.Detail == "" {
		return ""
	}
	return ": " + c.Detail
}
