package abandon

import (
	"fmt"
	"slices"
	"strings"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/history"
	"officiant/ceremony/transcript"
)

// Statement is what people agree to when they abandon a ceremony.
type Statement struct {
	Cluster, Name string
	Sequence      int
	First, Head   fingerprint.SHA256 // hashes of the record's first and last line
	Reason        string
	Keys          []transcript.AbandonedKey
}

// Text is the statement in its one spelling.
func (s Statement) Text() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "officiant abandonment v1\ncluster %s\nceremony %d %s\nfirst %s\nhead %s\nreason %q\n", s.Cluster,
		s.Sequence, s.Name, s.First, s.Head, s.Reason)
	for _, k := range s.Keys {
		spki := "unknown"
		if k.SPKI != nil {
			spki = k.SPKI.String()
		}
		where := "nowhere"
		if k.Token != nil {
			where = fmt.Sprintf("%s %q serial %q", k.Token.Backend, k.Token.Label, k.Token.Serial)
		}
		end := "destroy"
		if k.Kept != "" {
			end = fmt.Sprintf("keep %q", k.Kept)
		}
		fmt.Fprintf(&b, "key %s id %s public-key %s in %s: %s\n", k.Name, k.ID, spki, where, end)
	}
	return []byte(b.String())
}

// Digest is what people sign, and what scripts give instead of each key's name.
func (s Statement) Digest() fingerprint.SHA256 { return fingerprint.Of(s.Text()) }

// stateOf is the statement of a record's first lines. What is a copy of it, its other
// lines included, is no other record.
func stateOf(whole *transcript.Transcript, lines int, reason string, others []*history.Record) Statement {
	t := &transcript.Transcript{Lines: whole.Lines[:lines]}
	open := t.Open()
	s := Statement{
		Cluster:  open.Cluster,
		Name:     open.Name,
		Sequence: open.Sequence,
		First:    t.Lines[0].Hash,
		Head:     t.Head(),
		Reason:   reason,
	}
	bundles := ""
	for _, l := range t.Lines {
		switch r := l.Record.(type) {
		case transcript.KeyIntent:
			k := transcript.AbandonedKey{Name: r.Name, Label: r.Label, ID: r.ID, Token: r.Token}
			if len(r.Salt) == 0 || r.Token == nil {
				k.Kept = "its id is not tied to this record, which an earlier program began"
			}
			s.Keys = append(s.Keys, k)
		case transcript.Key:
			for i := range s.Keys {
				if k := &s.Keys[i]; r.Made && k.Name == r.Name && k.ID == r.ID {
					k.SPKI = &r.SPKI
				}
			}
		case transcript.SignatureIntent:
			bundles = fmt.Sprintf("the record announces a signature over %s, which a node may have", r.Name)
		}
	}
	for i := range s.Keys {
		k := &s.Keys[i]
		switch named := namedBy(whole, *k, others); {
		case k.Kept != "":
		case bundles != "":
			k.Kept = bundles
		case named != "":
			k.Kept = named
		}
	}
	return s
}

// namedBy says which other record names a key; empty: none does.
func namedBy(t *transcript.Transcript, k transcript.AbandonedKey, others []*history.Record) string {
	for _, r := range others {
		if slices.ContainsFunc(t.Lines, func(l transcript.Line) bool { return l.Hash == r.Head }) {
			continue // a copy of this record, or of its beginning
		}
		for _, in := range r.Intents {
			if in.ID == k.ID {
				return fmt.Sprintf("%s has its id on record", r)
			}
		}
		for _, o := range r.Openings {
			if o.ID == k.ID || k.SPKI != nil && o.SPKI == *k.SPKI {
				return fmt.Sprintf("%s has it on record", r)
			}
		}
	}
	return ""
}
