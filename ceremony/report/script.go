package report

import (
	"fmt"
	"io"
	"strings"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/schedule"
)

// Script is what is printed before a ceremony and followed in the room.
type Script struct {
	Plan     *schedule.Ceremony
	Station  string // its name; empty when none was given
	Digest   fingerprint.SHA256
	Steps    []Step
	Tokens   []Token
	Program  Sum   // the one that made the script; the room's should be the same
	Modules  []Sum // PKCS#11 modules of this machine; the room's are compared with them
	PlanFile string
}

// Step is one step as ceremony.Step has it.
type Step struct {
	N               int
	Title           string
	Place           string // the token that has to be there from here on; empty: as before
	Swap, Final     bool
	People, Failure string
}

// Token is one of the things that lie on the table.
type Token struct {
	Place string
	Keys  []string
	Clone bool
}

// Sum is a file by name and SHA-256.
type Sum struct {
	Name, SHA256 string
}

// Number is a step's number as screen and paper have it.
func (s *Script) Number(n int) string { return fmt.Sprintf("step %d of %d", n, len(s.Steps)) }

// mark is a fingerprint that people compare.
type mark struct {
	Name string
	Note string
	F    fingerprint.SHA256
}

// mostRequests is how many requests a script shows the fingerprints of.
const mostRequests = 24

// known are the fingerprints that are known before anything is made.
func (s *Script) known() []mark {
	var out []mark
	p := s.Plan.Plan
	for _, a := range p.Authorities {
		if a.Key.Existing != (fingerprint.SHA256{}) {
			out = append(out, mark{a.Name + " key", "public key; it exists already", a.Key.Existing})
		}
		if c := s.Plan.Certificates[a.Name]; c != nil {
			out = append(out, mark{a.Name + " certificate", "it exists already", fingerprint.Of(c.Raw)})
		}
	}
	if p.Release.Key.Existing != (fingerprint.SHA256{}) {
		out = append(out, mark{"release key", "public key; it exists already", p.Release.Key.Existing})
	}
	if len(p.Nodes) > mostRequests {
		return out // they were compared when the plan was written, and fill a book
	}
	for _, n := range p.Nodes {
		if o := s.Plan.Requests[n.Name]; o != nil {
			out = append(out, mark{"request of " + n.Name, "vouched for by " + vouchers[s.Plan.Vouched[n.Name]], o.Fingerprint})
		}
	}
	return out
}

// vouchers are plan.Vouch in words.
var vouchers = map[schedule.Vouch]string{
	schedule.ByFingerprint: "its fingerprint, which people compared",
	schedule.ByPrevious:    "the key of the node's present certificate",
	schedule.ByHostKey:     "the node's SSH host key",
	schedule.ByRecord:      "the record of previous ceremonies",
}

// Blanks are the fingerprints that are written down in the room.
func (s *Script) Blanks() []string {
	var out []string
	for _, a := range s.Plan.Plan.Authorities {
		if a.Key.Create != "" {
			out = append(out, a.Name+" key")
		}
	}
	if s.Plan.Plan.Release.Key.Create != "" {
		out = append(out, "release key")
	}
	return append(out, "root certificate", "head of the record")
}

// person is somebody who takes part.
type person struct{ Name, Role, Duty string }

var duties = map[string]string{
	"administrator": "starts the program, reads the steps aloud, keeps this script",
	"officer":       "holds tokens, enters PINs, agrees to deviations",
	"witness":       "touches nothing, compares everything, signs the head of the record",
}

// people are the plan's, or a blank for each role when it names none.
func (s *Script) people() []person {
	var out []person
	for _, p := range s.Plan.People.List {
		out = append(out, person{p.Name, p.Role, duties[p.Role]})
	}
	if out == nil {
		for _, role := range []string{"administrator", "officer", "officer", "witness"} {
			out = append(out, person{"", role, duties[role]})
		}
	}
	return out
}

// materials is what has to be in the room before anybody sits down.
func (s *Script) materials() []string {
	out := []string{
		"the machine of the room, installed from media two people compared, without network",
		"a USB stick with the plan, its inputs and its approvals; a USB stick for the results",
		"this script, a copy for each person; a pen with permanent ink; a watch",
	}
	for _, t := range s.Tokens {
		what := t.Place + ": " + strings.Join(t.Keys, ", ")
		if t.Clone {
			what = t.Place + ": for the clone of " + strings.Join(t.Keys, ", ")
		}
		if strings.HasPrefix(t.Place, "token") {
			what += "; in a sealed bag, and a new bag for afterwards"
		}
		out = append(out, what)
	}
	return append(out, "the PINs, each with the officer who enters it and with nobody else")
}

// failures is what to do when a step fails, by the program's exit code.
var failures = []struct{ Code, What, Do string }{
	{"1", "failure", "Read the message aloud. Put right what it names, and run the same command again."},
	{"3", "refused", "Nothing more was signed. The plan, a request or the room is not as it must be: stop, and decide together."},
	{"4", "does not verify", "Keep the directory as it is, and use nothing of it."},
	{"5", "token unavailable", "Put in the token that is named. A wrong PIN is never tried twice: find out which is right first."},
	{"6", "declined", "Somebody said no. Write down who and why."},
	{"130", "interrupted", "The record ends where the program says: write down its words. The same command " +
		"continues; compare them then."},
}

// deviation is what every script says of departures from itself.
const deviation = "Whoever sees something that is not as written here says so at once. Nothing continues before it " +
	"is explained, and what was done instead is written down with the time and two names."

// Text writes the script for a printer of 80 columns.
func (s *Script) Text(w io.Writer) error {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	rule := strings.Repeat("=", columns)
	c := s.Plan
	line("%s\nSCRIPT OF CEREMONY %s\n%s", rule, c.Plan.Name, rule)
	line("cluster    %s, ceremony %d of its chain", c.Cluster.Name, c.Sequence)
	line("station    %s", orBlank(s.Station, 40))
	line("place      %s", orBlank("", 40))
	line("date       %s begin %s end %s", orBlank("", 16), orBlank("", 8), orBlank("", 8))
	line("\nDigest of the ceremony, as it was approved:\n")
	for _, l := range c.Digest.Lines() {
		line("    %s", l)
	}
	line("\n\nWHO IS HERE\n")
	for _, p := range s.people() {
		line("  %-18s %-14s signature %s", orBlank(p.Name, 16), p.Role, orBlank("", 20))
	}
	line("")
	for _, role := range []string{"administrator", "officer", "witness"} {
		paragraph(&b, "  ", role+": "+duties[role]+".")
	}
	line("\n\nWHAT IS ON THE TABLE\n")
	for _, m := range s.materials() {
		paragraph(&b, "  [ ] ", m)
	}
	line("")
	for _, f := range append([]Sum{s.Program}, s.Modules...) {
		line("  [ ] %s\n        %s", f.Name, orBlank(f.SHA256, 64))
	}
	s.textKnown(line)
	line("\n\nTHE STEPS\n")
	paragraph(&b, "  ", "The number and the words of a step are those on the screen and in the record. Fill in the time and initials when its line is done, not before.")
	for _, step := range s.Steps {
		s.textStep(&b, step)
	}
	s.textEnd(&b, line)
	_, err := io.WriteString(w, b.String())
	return err
}

func (s *Script) textKnown(line func(string, ...any)) {
	known := s.known()
	if len(known) == 0 {
		return
	}
	line("\n\nFINGERPRINTS THAT ARE KNOWN\n")
	for _, m := range known {
		line("  %s (%s)", m.Name, m.Note)
		for _, l := range m.F.Lines() {
			line("    %s", l)
		}
		line("")
	}
}

func (s *Script) textStep(b *strings.Builder, step Step) {
	fmt.Fprintln(b)
	if step.Final {
		fmt.Fprintf(b, "%s\n%s\n", strings.Repeat("*", columns), center("THE POINT OF NO RETURN: FROM HERE ON KEYS EXIST"))
		fmt.Fprintln(b, strings.Repeat("*", columns))
		fmt.Fprintln(b)
	}
	paragraph(b, s.Number(step.N)+"  ", step.Title) // as on the screen
	if step.Place != "" {
		word := "with  "
		if step.Swap {
			word = "SWAP  "
		}
		paragraph(b, "    "+word, step.Place)
	}
	if step.People != "" {
		paragraph(b, "    ", step.People)
	}
	paragraph(b, "    if it fails: ", step.Failure)
	fmt.Fprintf(b, "    time %s  initials %s %s %s\n", orBlank("", 14), orBlank("", 8), orBlank("", 8), orBlank("", 8))
}

func (s *Script) textEnd(b *strings.Builder, line func(string, ...any)) {
	line("\n\nFINGERPRINTS OF THIS DAY\n")
	for _, name := range s.Blanks() {
		line("  %-22s %s", name, orBlank("", 50))
	}
	line("\n\nWHEN A STEP FAILS\n")
	for _, f := range failures {
		paragraph(b, fmt.Sprintf("  exit %-4s", f.Code), f.What+". "+f.Do)
	}
	line("")
	paragraph(b, "  ", deviation)
	line("\n  to continue:  officiant ceremony run %s --station STATION --dir DIR\n\n\nDEVIATIONS\n", s.PlanFile)
	for range 4 {
		line("  time %s %s\n", orBlank("", 8), orBlank("", 60))
	}
	line("\nSIGNED AFTER THE LAST STEP\n")
	for _, p := range s.people() {
		line("  %-18s %-14s %s\n", orBlank(p.Name, 16), p.Role, orBlank("", 40))
	}
}

const columns = 80

func orBlank(s string, n int) string {
	if s == "" {
		return strings.Repeat("_", n)
	}
	return s
}

func center(s string) string { return strings.Repeat(" ", (columns-len(s))/2) + s }

// paragraph writes text after an indent, which its further lines have as spaces.
func paragraph(b *strings.Builder, indent, text string) {
	line := indent
	for _, word := range strings.Fields(text) {
		if len(line)+1+len(word) > columns && strings.TrimSpace(line) != "" {
			fmt.Fprintln(b, strings.TrimRight(line, " "))
			line = strings.Repeat(" ", len(indent))
		}
		if line != "" && !strings.HasSuffix(line, " ") {
			line += " "
		}
		line += word
	}
	fmt.Fprintln(b, line)
}
