package schedule

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/plan"
	"officiant/signer"
)

// line is what a plan has to know of a transcript's line. The chain itself is
// proven by audit, and by run when it takes over the serials.
type line struct {
	Time time.Time       `json:"time"`
	Type string          `json:"type"`
	Data json.RawMessage `json:"data"`
}

type openRecord struct {
	Cluster   string        `json:"cluster"`
	Sequence  int           `json:"sequence"`
	Rehearsal bool          `json:"rehearsal"`
	People    []plan.Person `json:"people"`
	Threshold int           `json:"threshold"`

	Predecessors []headRecord `json:"predecessors"`
}

type headRecord struct {
	Cluster string             `json:"cluster"`
	Head    fingerprint.SHA256 `json:"head"`
}

// sealedRecord is what a predecessor recorded of a service-account pair it sealed.
type sealedRecord struct {
	Secret     string             `json:"secret"`
	SHA256     fingerprint.SHA256 `json:"sha256"`
	Recipients []string           `json:"recipients"`
	PublicKey  []byte             `json:"publicKey"`
	Former     [][]byte           `json:"former"`
}

// nextAccount is the secret of a pair that was not in use yet.
const nextAccount = "service-account-next"

// accountRecords are the pairs a predecessor recorded: in use, and the next.
type accountRecords struct{ inUse, next *sealedRecord }

// recordPass reads the records that the plan continues.
type recordPass struct {
	base
	past *records
}

func recordsOf(b base) *records {
	pass := &recordPass{b, &records{p: b.p, files: b.files, sequence: 1}}
	pass.check()
	return pass.past
}

// check goes through the ceremonies this one continues, and derives its sequence.
func (b *recordPass) check() {
	if b.p.Previous.Lost != nil {
		b.lost(plan.At{"previous", "lost"})
	}
	seen := map[string]bool{}
	for i, p := range b.p.Previous.Ceremonies {
		where := plan.At{"previous", i}
		switch {
		case p.Cluster == "":
			b.Refuse(where, "a predecessor needs its cluster's name")
		case seen[p.Cluster]:
			b.Refuse(append(where, "cluster"), "two predecessors of cluster %s; a ceremony continues the last one only",
				p.Cluster)
		case p.Sequence < 1:
			b.Refuse(append(where, "sequence"), "the predecessor's sequence is missing; it counts from 1")
		case p.Head == fingerprint.SHA256{}:
			b.Refuse(append(where, "head"), "the predecessor's head is missing: the SHA-256 of its transcript's last line")
		case p.Transcript == "":
			b.Refuse(where, "the predecessor's transcript is missing")
		default:
			b.predecessor(p, where)
		}
		seen[p.Cluster] = true
	}
}

func (b *recordPass) predecessor(p plan.Predecessor, where plan.At) {
	data := b.inputUpTo(maxChain, p.Transcript, append(where, "transcript"))
	if data == nil {
		return
	}
	lines := bytes.SplitAfter(data, []byte("\n"))
	if len(lines) < 2 || len(lines[len(lines)-1]) != 0 {
		b.RefuseInput(p.Transcript, "not a finished transcript: its last line has no end")
		return
	}
	lines = lines[:len(lines)-1]
	last := lines[len(lines)-1]
	if head := fingerprint.Of(last); head != p.Head {
		b.Refuse(append(where, "head"), "the last line of %s has SHA-256 %s, not this", p.Transcript, head)
		return
	}
	var open openRecord
	if err := record(lines[0], "open", &open); err != nil {
		b.RefuseInput(p.Transcript, "line 1: %v", err)
		return
	}
	switch {
	case open.Rehearsal:
		b.RefuseInput(p.Transcript, "is the transcript of a rehearsal, which nothing can continue")
	case open.Cluster != p.Cluster:
		b.Refuse(append(where, "cluster"), "%s is of cluster %s, not %s", p.Transcript, open.Cluster, p.Cluster)
	case open.Sequence != p.Sequence:
		b.Refuse(append(where, "sequence"), "%s is of ceremony %d, not %d", p.Transcript, open.Sequence, p.Sequence)
	}
	var closed releaseRecord
	if err := record(last, "closed", &closed); err != nil {
		b.RefuseInput(p.Transcript, "the ceremony is unfinished: line %d: %v", len(lines), err)
	}
	if p.Cluster != b.p.Cluster.Name && len(p.Earlier) > 0 {
		b.Refuse(append(where, "earlier"), "only of this cluster's own ceremonies earlier ones are of use")
	}
	if p.Cluster != b.p.Cluster.Name {
		b.past.neighbours = append(b.past.neighbours, readNeighbour(p, where, lines))
	}
	if p.Cluster == b.p.Cluster.Name {
		b.past.sequence = p.Sequence + 1
		b.formerPeople(p, open)
		b.past.sealed = findSealed(lines)
		if closed.Signer != (fingerprint.SHA256{}) {
			b.past.released = &closed
		}
		b.past.chain = append(b.past.chain, p.Transcript)
		b.earlier(p, open, where)
		var first line
		if json.Unmarshal(lines[0], &first) == nil {
			b.past.began = first.Time.Truncate(time.Second) // as requests say when they were made
		}
	}
}

// record decodes a line of one type.
func record(raw []byte, kind string, into any) error {
	var l line
	if err := json.Unmarshal(raw, &l); err != nil {
		return errors.New("not a line of a transcript")
	}
	if l.Type != kind {
		return fmt.Errorf("is of type %q, not %q", l.Type, kind)
	}
	if err := json.Unmarshal(l.Data, into); err != nil {
		return fmt.Errorf("the data is not that of %q", kind)
	}
	return nil
}

// findSealed finds what a transcript says of service-account pairs; nil when the
// ceremony had none.
func findSealed(lines [][]byte) *accountRecords {
	var found accountRecords
	for _, l := range lines {
		// Certificates are by far the most lines; a look at the type is cheaper than decoding them.
		for _, kind := range []string{"sealed", "carried"} {
			var s sealedRecord
			if !bytes.Contains(l, []byte(`"type":"`+kind+`"`)) || record(l, kind, &s) != nil {
				continue
			}
			if s.Secret == nextAccount {
				found.next = &s
			} else {
				found.inUse = &s
			}
		}
	}
	if found.inUse == nil {
		return nil
	}
	return &found
}

// knownGrade says whether a plan may ask for that grade.
func knownGrade(g signer.Grade) bool {
	return g.AtLeast(signer.Unproven)
}
