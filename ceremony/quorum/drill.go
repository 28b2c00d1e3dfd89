package quorum

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"officiant/bundle/fingerprint"
)

const drillTitle = "officiant pin drill v1"

// Drill is what a drill leaves: who had their share on a day. It is public.
//
//	officiant pin drill v1
//	set: <the set's identity>
//	time: 2026-11-29T14:00:00Z
//	proof: 1 <128 hex digits>
type Drill struct {
	Set    fingerprint.SHA256
	Time   time.Time // whole seconds, UTC
	Proofs []Proof
}

// Purpose is what the proofs of a drill are bound to.
func (d *Drill) Purpose() string { return "drill " + d.Time.UTC().Format(time.RFC3339) }

// Text is the drill as its file holds it.
func (d *Drill) Text() []byte {
	b := fmt.Appendf(nil, "%s\nset: %s\ntime: %s\n", drillTitle, d.Set, d.Time.UTC().Format(time.RFC3339))
	for _, p := range d.Proofs {
		b = fmt.Appendf(b, "proof: %d %s\n", p.Index, p.Text)
	}
	return b
}

// ParseDrill reads a drill, and checks each of its proofs.
func (s *Set) ParseDrill(data []byte) (*Drill, error) {
	d := &Drill{}
	if err := parse(data, drillTitle, d.take); err != nil {
		return nil, fmt.Errorf("pin drill: %w", err)
	}
	if !bytes.Equal(d.Text(), data) {
		return nil, errors.New("pin drill: its lines are not those that a drill has, in their order")
	}
	if d.Set != s.ID() {
		return nil, fmt.Errorf("pin drill: is of the set %s, this one is %s", d.Set, s.ID())
	}
	last := 0
	for _, p := range d.Proofs {
		if p.Index <= last {
			return nil, fmt.Errorf("pin drill: share %d comes twice, or out of order", p.Index)
		}
		last = p.Index
		if err := s.Check(p, d.Purpose()); err != nil {
			return nil, fmt.Errorf("pin drill: %w", err)
		}
	}
	return d, nil
}

func (d *Drill) take(l field) (err error) {
	switch l.name {
	case "set":
		d.Set, err = fingerprint.Parse(l.value)
	case "time":
		d.Time, err = time.Parse(time.RFC3339, l.value)
	case "proof":
		number, text, _ := strings.Cut(l.value, " ")
		p := Proof{Text: text}
		p.Index, err = strconv.Atoi(number)
		d.Proofs = append(d.Proofs, p)
	default:
		err = fmt.Errorf("unknown field %q", l.name)
	}
	return err
}
