package ceremony

import (
	"fmt"
	"slices"
	"strings"

	"officiant/bundle/fingerprint"
	"officiant/bundle/phrase"
	"officiant/ceremony/transcript"
)

// Correction is people's agreement that a ceremony continues with another station file
// than the one on record.
type Correction struct {
	Reason string
	By     []string             // two people or more, among them the plan's threshold of those who approve
	Module []fingerprint.SHA256 // the digests of modules that are not on record
}

// OtherStation says that a ceremony uses another station file than the one given,
// and what people have to say before it goes by that one.
type OtherStation struct {
	Was, Is fingerprint.SHA256
	Modules []transcript.Module // that are not on record, and nobody approved
	Reason  string              // what is wrong with the agreement that was given; empty when none was
}

func (e *OtherStation) Error() string {
	s := fmt.Sprintf("the ceremony uses another station file: %s, and this one is %s", e.Was, e.Is)
	if e.Reason != "" {
		s += "; " + e.Reason
	}
	for _, m := range e.Modules {
		s += fmt.Sprintf("\nmodule %s is not on record, its SHA-256 is %s", m.Path, m.SHA256)
	}
	return s
}

// sameStation refuses a station file that is not the one on record, unless people
// agreed to it. Nothing is on record of it before every key is found.
func (r *run) sameStation() error {
	was, is := r.progress.Station, r.Station.Digest()
	if was == is {
		return nil
	}
	if r.rehearsal {
		return &Refused{[]string{"the rehearsal began with another station file: rehearse this one in a new directory"}}
	}
	if r.progress.Closed {
		// Only the release key may have something to sign, and it is known by its public key.
		r.observer.Say("another station file than the one on record; the record is closed, and does not name it")
		return nil
	}
	refused := &OtherStation{Was: was, Is: is, Modules: r.newModules()}
	if r.Correct == nil {
		return refused
	}
	if refused.Reason = r.agreed(*r.Correct); refused.Reason != "" || len(refused.Modules) > 0 {
		return refused
	}
	for _, s := range r.steps {
		if title, ok := r.progress.Titles[s.N]; ok && title != s.Title {
			return r.otherSteps(s.N, title, s.Title)
		}
	}
	if n := r.progress.Open.Steps; n != len(r.steps) {
		return r.otherSteps(min(n, len(r.steps)), fmt.Sprintf("the last of %d", n),
			fmt.Sprintf("one of %d", len(r.steps)))
	}
	r.corrected = &transcript.StationChanged{Station: is, Former: was, Reason: r.Correct.Reason, By: r.Correct.By,
		Modules: append([]transcript.Module{}, r.Modules...)}
	return nil
}

// otherSteps refuses a station file by which the ceremony would have other steps.
func (r *run) otherSteps(n int, was, is string) error {
	return &Refused{[]string{fmt.Sprintf("with this station file the ceremony has other steps: step %d is on record as "+
		"%q, and would be %q. Keys that share a token go on sharing it, and clones are asked for as before.", n, was, is)}}
}

// newModules are the modules in use that are neither on record nor approved.
func (r *run) newModules() (unknown []transcript.Module) {
	for _, m := range r.Modules {
		known := slices.ContainsFunc(r.progress.Modules, func(o transcript.Module) bool { return o.SHA256 == m.SHA256 })
		if r.Correct != nil {
			known = known || slices.ContainsFunc(r.Correct.Module,
				func(sum fingerprint.SHA256) bool { return sum.String() == m.SHA256 })
		}
		if !known {
			unknown = append(unknown, m)
		}
	}
	return unknown
}

// agreed says why those who agree to a station file are too few, or not the right
// ones. Where the plan names people, they are present, and as many of those who
// approve are among them as approved the plan.
func (r *run) agreed(c Correction) string {
	if strings.TrimSpace(c.Reason) == "" {
		return "a reason is missing"
	}
	people, approve := r.plan.People, 0
	for i, name := range c.By {
		if slices.Contains(c.By[:i], name) {
			return name + " agrees twice"
		}
		if people.Nobody() {
			continue
		}
		if err := ofThePlan(people, "agrees", []string{name}); err != nil {
			return err.Error()
		}
		if !slices.Contains(r.Present, name) {
			return name + " agrees, but is not present"
		}
	}
	for _, p := range people.Approvers() {
		if slices.Contains(c.By, p.Name) {
			approve++
		}
	}
	switch {
	case approve < people.Threshold:
		return fmt.Sprintf("%d of those who approve have to agree: %s", people.Threshold, names(people.Approvers()))
	case len(c.By) < 2 && len(people.List) != 1:
		return "two people have to agree"
	}
	return ""
}

// mustBeFound says whether the token of a phase has to be in: before a corrected
// station is taken, every key on record is found.
func (r *tokens) mustBeFound(p phase) bool {
	return r.corrected != nil && slices.ContainsFunc(p.keys, func(name string) bool { return r.boundTo(name) != nil })
}

// boundTo is the token that the record ties a key to: it was made or found there, or
// was to be made there. Nil: nothing of the key is anywhere yet.
func (r *tokens) boundTo(name string) *transcript.Token {
	if k, ok := r.progress.Keys[name]; ok {
		return &k.Token
	}
	if intent, ok := r.progress.KeyIntents[name]; ok {
		return intent.Token
	}
	return nil
}

// sameToken refuses a corrected station that has a phase's keys in another token
// than the record ties one of them to. The keys of a phase share a token.
func (r *tokens) sameToken(p phase, is transcript.Token) error {
	if r.corrected == nil {
		return nil
	}
	for _, name := range p.keys {
		if was := r.boundTo(name); was != nil && was.ID() != is.ID() {
			return &Refused{[]string{fmt.Sprintf("the corrected station has %s in token %s, serial %s; the record has the %s "+
				"key in token %s, serial %s: keys that exist, and those to be made beside them, stay in their token",
				phrase.List(p.keys), is.Label, is.Serial, name, was.Label, was.Serial)}}
		}
	}
	return nil
}

// takeCorrection puts on record that the ceremony uses another station file, now
// that every key on record was found by it.
func (r *tokens) takeCorrection() error {
	if r.corrected == nil {
		return nil
	}
	for _, name := range r.plan.KeysNeeded() {
		if _, recorded := r.progress.Keys[name]; recorded && r.proved[name] == nil {
			return fmt.Errorf("the %s key is on record, and was not found by the corrected station", name)
		}
	}
	if _, err := r.progress.Record(*r.corrected); err != nil {
		return err
	}
	r.observer.Say(fmt.Sprintf("from here on the ceremony goes by station file %s, agreed to by %s",
		r.corrected.Station, phrase.List(r.corrected.By)))
	r.corrected = nil
	return nil
}
