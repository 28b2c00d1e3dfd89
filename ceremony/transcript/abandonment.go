package transcript

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"officiant/bundle/fingerprint"
)

// Abandonment closes a ceremony that will not be finished: from here on nothing is created
// or signed, and keys are destroyed. It is the first line of its process, instead of
// Resumed. Intents without a result count as abandoned.
type Abandonment struct {
	Head      fingerprint.SHA256  `json:"head"`          // of what was found, which people signed
	Cut       *fingerprint.SHA256 `json:"cut,omitempty"` // as in Resumed
	Program   Program             `json:"program"`
	Host      Host                `json:"host"`
	Reason    string              `json:"reason"`
	Keys      []AbandonedKey      `json:"keys"`         // each that was made, or was to be
	Approvals []Approval          `json:"approvals"`    // of the statement, in abandonment/approvals
	By        []string            `json:"by,omitempty"` // who agreed, where the plan names nobody
}

// AbandonedKey is a key of a ceremony that is abandoned, and what becomes of it.
type AbandonedKey struct {
	Name  string              `json:"name"`
	Label string              `json:"label"`
	ID    string              `json:"id"` // its intent's
	Token *Token              `json:"token,omitempty"`
	SPKI  *fingerprint.SHA256 `json:"spki,omitempty"` // absent: the record has an intent alone
	Kept  string              `json:"kept,omitempty"` // why it stays; empty: it is destroyed
}

// DestroyIntent is on disk before a key is destroyed, once people have seen it.
type DestroyIntent struct {
	Name string              `json:"name"`
	ID   string              `json:"id"`
	SPKI *fingerprint.SHA256 `json:"spki,omitempty"` // of what was found; absent: nothing was
}

// What became of a key that was to be destroyed.
const (
	KeyDestroyed = "destroyed"
	KeyScheduled = "scheduled" // a KMS destroys it later
	KeyAbsent    = "absent"    // there was none of this id
)

// Destroyed says what became of a key.
type Destroyed struct {
	Intent  int        `json:"intent"` // seq of its DestroyIntent
	Outcome string     `json:"outcome"`
	Until   *time.Time `json:"until,omitempty"` // when a scheduled one is gone
}

// AbandonmentClosed is the last line of a ceremony that was abandoned.
type AbandonmentClosed struct {
	Destroyed int `json:"destroyed"`
	Scheduled int `json:"scheduled"`
	Absent    int `json:"absent"`
	Kept      int `json:"kept"`
}

func (Abandonment) Type() Type       { return "abandonment" }
func (DestroyIntent) Type() Type     { return "destroy-intent" }
func (Destroyed) Type() Type         { return "destroyed" }
func (AbandonmentClosed) Type() Type { return "abandonment-closed" }

// SaltSize is the length of a key intent's salt.
const SaltSize = 16

// BoundID is the id, in hex, of a key of a name that a ceremony makes: it follows from
// the hash of the record's first line, so that no other record can name the key as one
// that it made.
func BoundID(first fingerprint.SHA256, name string, salt []byte) string {
	h := sha256.New()
	fmt.Fprintf(h, "officiant key id v1\n%s\n%s\n%x\n", first, name, salt)
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// Abandonment returns the line that closes a ceremony that will not be finished.
func (t *Transcript) Abandonment() (Line, bool) {
	i := slices.IndexFunc(t.Lines, func(l Line) bool { return l.Record.Type() == Abandonment{}.Type() })
	if i < 0 {
		return Line{}, false
	}
	return t.Lines[i], true
}

// abandoned is what an abandonment lets follow.
type abandoned struct {
	keys    []AbandonedKey
	ended   map[string]bool // by name and id: intended
	open    map[int]bool    // destroy intents, by seq: whether a key was found
	results map[string]int  // by outcome
}

func keyOf(name, id string) string { return name + " " + id }

// giveUp takes the line that abandons a ceremony, and those after it.
func (o *order) giveUp(l *Line) error {
	if r, ok := l.Record.(Abandonment); ok {
		return o.abandonAll(r)
	}
	if o.givenUp == nil {
		return fmt.Errorf("%s in a ceremony that was not abandoned", l.Record.Type())
	}
	g := o.givenUp
	switch r := l.Record.(type) {
	case DestroyIntent:
		k := keyOf(r.Name, r.ID)
		i := slices.IndexFunc(g.keys, func(a AbandonedKey) bool { return keyOf(a.Name, a.ID) == k })
		switch {
		case i < 0 || g.keys[i].Kept != "":
			return fmt.Errorf("destroy-intent %s: not one of the keys to be destroyed", r.Name)
		case g.ended[k]:
			return fmt.Errorf("destroy-intent %s: a second time", r.Name)
		case r.SPKI != nil && g.keys[i].SPKI != nil && *r.SPKI != *g.keys[i].SPKI:
			return fmt.Errorf("destroy-intent %s: another key than the one that was made", r.Name)
		}
		g.ended[k], g.open[l.Seq] = true, r.SPKI != nil
	case Destroyed:
		found, open := g.open[r.Intent]
		if !open {
			return fmt.Errorf("destroyed: line %d is not an open destroy-intent", r.Intent)
		}
		if found == (r.Outcome == KeyAbsent) {
			return fmt.Errorf("destroyed: outcome is %q, and line %d found %s key", r.Outcome, r.Intent,
				map[bool]string{true: "a", false: "no"}[found])
		}
		if !slices.Contains([]string{KeyDestroyed, KeyScheduled, KeyAbsent}, r.Outcome) {
			return fmt.Errorf("destroyed: outcome is %q", r.Outcome)
		}
		if (r.Outcome == KeyScheduled) != (r.Until != nil) {
			return fmt.Errorf("destroyed: until goes with %q, and with nothing else; outcome is %q", KeyScheduled,
				r.Outcome)
		}
		delete(g.open, r.Intent)
		g.results[r.Outcome]++
	case AbandonmentClosed:
		want := AbandonmentClosed{Destroyed: g.results[KeyDestroyed], Scheduled: g.results[KeyScheduled],
			Absent: g.results[KeyAbsent]}
		want.Kept = len(g.keys) - len(g.ended)
		for _, k := range g.keys {
			if k.Kept == "" && !g.ended[keyOf(k.Name, k.ID)] || len(g.open) > 0 {
				return errors.New("abandonment-closed while keys are to be destroyed")
			}
		}
		if r != want {
			return errors.New("abandonment-closed counts other keys than the lines")
		}
		o.closed = true
	}
	return nil
}

func (o *order) abandonAll(r Abandonment) error {
	switch {
	case o.givenUp != nil:
		return errors.New("abandoned a second time")
	case r.Head != o.head:
		return errors.New("abandonment: head is not the hash of the line before")
	case r.Reason == "":
		return errors.New("abandonment: without a reason")
	case len(r.Approvals)+len(r.By) == 0:
		return errors.New("abandonment: by nobody")
	}
	named := map[string]bool{}
	for _, k := range r.Keys {
		if !hexID(k.ID) {
			return fmt.Errorf("abandonment: key %s: id is not 16 bytes in lower-case hex", k.Name)
		}
		if named[keyOf(k.Name, k.ID)] {
			return fmt.Errorf("abandonment: key %s twice", k.Name)
		}
		named[keyOf(k.Name, k.ID)] = true
	}
	clear(o.open)
	o.givenUp = &abandoned{keys: r.Keys, ended: map[string]bool{}, open: map[int]bool{}, results: map[string]int{}}
	return nil
}

// over refuses what cannot follow an abandonment.
func (o *order) over(r Record) error {
	if o.givenUp == nil {
		return nil
	}
	switch r.(type) {
	case Resumed, Paused, Note, Token, PINRefused, Abandonment, DestroyIntent, Destroyed, AbandonmentClosed:
		return nil
	}
	return fmt.Errorf("%s after the ceremony was abandoned", r.Type())
}
