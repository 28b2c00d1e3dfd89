package quorum

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/cloudflare/circl/group"

	"officiant/bundle/fingerprint"
)

// MaxPeople is how many shares a PIN is dealt in at most.
const MaxPeople = 32

// maxText is more than a set or a share of MaxPeople can have, in bytes.
const maxText = 16 << 10

const (
	setTitle    = "officiant pin set v1"
	sealedTitle = "officiant sealed pin v1"
	shareTitle  = "officiant pin share v1"
)

// curve is the group that shares are of.
var curve = group.Ristretto255

// Set is what is public of a PIN in shares.
type Set struct {
	Token     string   // whose PIN it is, as people name it
	Threshold int      // how many shares open it
	People    []string // by index, from 1
	Sealed    fingerprint.SHA256

	commitments []group.Element // Threshold of them
}

// ParseSet reads a set. Errors name the line.
func ParseSet(data []byte) (*Set, error) {
	s := &Set{}
	if err := parse(data, setTitle, s.take); err != nil {
		return nil, fmt.Errorf("pin set: %w", err)
	}
	if err := s.valid(); err != nil {
		return nil, fmt.Errorf("pin set: %w", err)
	}
	if !bytes.Equal(s.Text(), data) {
		return nil, errors.New("pin set: its lines are not in the order that a set has, or a line comes twice")
	}
	return s, nil
}

func (s *Set) take(l field) (err error) {
	switch l.name {
	case "token":
		s.Token = l.value
	case "threshold":
		s.Threshold, err = strconv.Atoi(l.value)
	case "person":
		s.People = append(s.People, l.value)
	case "commitment":
		var c group.Element
		c, err = element(l.value)
		s.commitments = append(s.commitments, c)
	case "sealed-pin":
		s.Sealed, err = fingerprint.Parse(l.value)
	default:
		err = fmt.Errorf("unknown field %q", l.name)
	}
	return err
}

// valid says why a set is none that shares were dealt for.
func (s *Set) valid() error {
	if err := s.dealable(); err != nil {
		return err
	}
	if len(s.commitments) != s.Threshold {
		return fmt.Errorf("has %d commitments; with threshold %d it has as many", len(s.commitments), s.Threshold)
	}
	return nil
}

// dealable says why shares cannot be dealt to a set's people.
func (s *Set) dealable() error {
	if err := name("token", s.Token); err != nil {
		return err
	}
	if n := len(s.People); n < 2 || n > MaxPeople {
		return fmt.Errorf("names %d people; it takes 2 to %d", n, MaxPeople)
	}
	if s.Threshold < 2 || s.Threshold > len(s.People) {
		return fmt.Errorf("threshold is %d; with %d people it is 2 to %d", s.Threshold, len(s.People), len(s.People))
	}
	seen := map[string]bool{}
	for _, p := range s.People {
		if err := name("person", p); err != nil {
			return err
		}
		if seen[p] {
			return fmt.Errorf("names %s twice; each person has one share", p)
		}
		seen[p] = true
	}
	return nil
}

// Text is the set as its file holds it.
func (s *Set) Text() []byte {
	return fmt.Appendf(s.opening(), "sealed-pin: %s\n", s.Sealed)
}

// opening is the set but for its last line: what the sealed PIN is bound to.
func (s *Set) opening() []byte {
	b := fmt.Appendf(nil, "%s\ntoken: %s\nthreshold: %d\n", setTitle, s.Token, s.Threshold)
	for _, p := range s.People {
		b = fmt.Appendf(b, "person: %s\n", p)
	}
	for _, c := range s.commitments {
		b = fmt.Appendf(b, "commitment: %x\n", encoded(c))
	}
	return b
}

// ID tells the set from all others: the SHA-256 of its text.
func (s *Set) ID() fingerprint.SHA256 { return fingerprint.Of(s.Text()) }

// Person has the share of an index; "" if nobody has.
func (s *Set) Person(index int) string {
	if index < 1 || index > len(s.People) {
		return ""
	}
	return s.People[index-1]
}

// public is the generator times the share of an index, by the commitments alone.
func (s *Set) public(index int) group.Element {
	at := curve.NewScalar().SetUint64(uint64(index))
	sum := curve.Identity()
	for i := len(s.commitments) - 1; i >= 0; i-- {
		sum.Mul(sum, at)
		sum.Add(sum, s.commitments[i])
	}
	return sum
}

// name refuses what two people could read in two ways, or what would end a line.
func name(what, s string) error {
	if s == "" || s != strings.TrimSpace(s) || len(s) > 128 {
		return fmt.Errorf("%s %q: a name has 1 to 128 bytes and no blanks around it", what, s)
	}
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return fmt.Errorf("%s %q: holds %U, which cannot be seen", what, s, r)
		}
	}
	return nil
}

// field is a line of a set or share.
type field struct{ name, value string }

// parse hands the lines of a text, after its title, to take, one after the other.
func parse(data []byte, title string, take func(field) error) error {
	lines, err := fields(data, title)
	if err != nil {
		return err
	}
	for i, l := range lines {
		if err := take(l); err != nil {
			return fmt.Errorf("line %d: %w", i+2, err)
		}
	}
	return nil
}

// fields takes a text of "name: value" lines apart, after its title.
func fields(data []byte, title string) ([]field, error) {
	if len(data) > maxText {
		return nil, fmt.Errorf("has %d bytes, more than %d", len(data), maxText)
	}
	text, ok := strings.CutPrefix(string(data), title+"\n")
	if !ok {
		return nil, fmt.Errorf("does not begin with the line %q", title)
	}
	text, ok = strings.CutSuffix(text, "\n")
	if !ok {
		return nil, errors.New("is cut short: its last line has no end")
	}
	var out []field
	for i, line := range strings.Split(text, "\n") {
		key, value, ok := strings.Cut(line, ": ")
		if !ok {
			return nil, fmt.Errorf("line %d: is not \"name: value\"", i+2)
		}
		out = append(out, field{key, value})
	}
	return out, nil
}

func element(text string) (group.Element, error) {
	raw, err := hex.DecodeString(text)
	e := curve.NewElement()
	if err != nil || e.UnmarshalBinary(raw) != nil || hex.EncodeToString(encoded(e)) != text || e.IsIdentity() {
		return nil, errors.New("is no commitment: 64 hex digits of a ristretto255 element")
	}
	return e, nil
}

func encoded(v interface{ MarshalBinary() ([]byte, error) }) []byte {
	raw, err := v.MarshalBinary()
	if err != nil {
		panic(err) // of a value in memory: there is no error to have
	}
	return raw
}
