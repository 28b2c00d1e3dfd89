package quorum

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/cloudflare/circl/group"
	"github.com/cloudflare/circl/secretsharing"

	"officiant/bundle/fingerprint"
)

// ErrShare is in the errors about a share that is not one of the set.
var ErrShare = errors.New("not a share of this set")

// Share is one person's part of a PIN. It is secret; Clear it after use.
type Share struct {
	Set    fingerprint.SHA256
	Person string
	Index  int // from 1
	Sealed []byte
	value  [32]byte
}

// Text is the share as its file holds it, before that is sealed to its person.
// The caller clears it.
func (s *Share) Text() []byte {
	return fmt.Appendf(
		nil,
		"%s\nset: %s\nperson: %s\nindex: %d\nvalue: %x\nsealed-pin: %x\n",
		shareTitle,
		s.Set,
		s.Person,
		s.Index,
		s.value,
		s.Sealed,
	)
}

// ParseShare reads a share's text. An error names the line, and does not quote it.
func ParseShare(data []byte) (*Share, error) {
	s := &Share{}
	if err := parse(data, shareTitle, s.take); err != nil {
		s.Clear()
		return nil, fmt.Errorf("pin share: %w", err)
	}
	text := s.Text()
	defer clear(text)
	if !bytes.Equal(text, data) {
		s.Clear()
		return nil, errors.New("pin share: its lines are not those that a share has, in their order")
	}
	return s, nil
}

func (s *Share) take(l field) (err error) {
	switch l.name {
	case "set":
		s.Set, err = fingerprint.Parse(l.value)
	case "person":
		s.Person = l.value
	case "index":
		if s.Index, err = strconv.Atoi(l.value); err != nil {
			err = errors.New("index is not a number")
		}
	case "value":
		if n, bad := hex.Decode(s.value[:], []byte(l.value[:min(len(l.value), 64)])); bad != nil || n != 32 ||
			len(l.value) != 64 {
			err = errors.New("value is not 64 hex digits")
		}
	case "sealed-pin":
		if s.Sealed, err = hex.DecodeString(l.value); err != nil {
			err = errors.New("sealed-pin is not hex digits")
		}
	default:
		err = fmt.Errorf("unknown field %q", l.name)
	}
	return err
}

// Words is the share's value as paper has it: 32 words and, last, four digits
// that check them.
func (s *Share) Words() []string {
	check := s.check()
	return append(fingerprint.SHA256(s.value).Words(), hex.EncodeToString(check[:]))
}

// Digits is the same in 68 hex digits and a blank, for a QR code and what reads it.
func (s *Share) Digits() string { return fmt.Sprintf("%X %X", s.value, s.check()) }

// check tells a slip in the words from a share of another set.
func (s *Share) check() (c [2]byte) {
	text := fmt.Appendf(nil, "%s\n%s\n%d\n%x\n", shareTitle, s.Set, s.Index, s.value)
	sum := fingerprint.Of(text)
	clear(text)
	copy(c[:], sum[:])
	return c
}

// ParseWords reads what Words or Digits give, of the share of an index, as it was typed.
func (s *Set) ParseWords(index int, text string) (*Share, error) {
	if s.Person(index) == "" {
		return nil, fmt.Errorf("share %d: %w: it has shares 1 to %d", index, ErrShare, len(s.People))
	}
	all := strings.Fields(text)
	if len(all) == 0 {
		return nil, errors.New("no words were typed")
	}
	words, check := all[:len(all)-1], all[len(all)-1]
	if len(check) != 4 || strings.Trim(strings.ToLower(check), "0123456789abcdef") != "" {
		return nil, errors.New("the last of what was typed is not the four digits that check the words")
	}
	value, err := parseValue(words)
	if err != nil {
		return nil, err
	}
	share := &Share{Set: s.ID(), Person: s.Person(index), Index: index, value: value}
	if want := share.check(); hex.EncodeToString(want[:]) != strings.ToLower(check) {
		share.Clear()
		return nil, fmt.Errorf("the words are those of no share %d of this set: the four digits that check them are others "+
			"(a word was misread, or it is another number's, or another set's)", index)
	}
	return share, nil
}

func parseValue(words []string) (fingerprint.SHA256, error) {
	if len(words) == 1 {
		if value, err := fingerprint.Parse(words[0]); err == nil {
			return value, nil
		}
	}
	return fingerprint.ParseWords(strings.Join(words, " "))
}

// Verify says why a share is not the set's; nil when it is. It needs nobody else's.
func (s *Set) Verify(share *Share) error {
	switch {
	case share.Set != s.ID():
		return fmt.Errorf("share %d (%s): %w: it is of the set %s", share.Index, share.Person, ErrShare, share.Set)
	case s.Person(share.Index) == "":
		return fmt.Errorf("share %d: %w: it has shares 1 to %d", share.Index, ErrShare, len(s.People))
	case s.Person(share.Index) != share.Person:
		return fmt.Errorf("share %d (%s): %w: share %d is %s's", share.Index, share.Person, ErrShare, share.Index,
			s.Person(share.Index))
	case len(share.Sealed) > 0 && fingerprint.Of(share.Sealed) != s.Sealed:
		return fmt.Errorf("share %d (%s): %w: the sealed PIN with it is another", share.Index, share.Person, ErrShare)
	}
	v, err := share.scalar()
	if err != nil || v.IsZero() ||
		!secretsharing.Verify(uint(s.Threshold-1), secretsharing.Share{ID: at(share.Index), Value: v}, s.commitments) {
		return fmt.Errorf("share %d (%s): %w: its value is not what the set committed to", share.Index, share.Person,
			ErrShare)
	}
	return nil
}

// Clear makes the share useless.
func (s *Share) Clear() { clear(s.value[:]) }

func (s *Share) scalar() (group.Scalar, error) {
	v := curve.NewScalar()
	if err := v.UnmarshalBinary(s.value[:]); err != nil || !bytes.Equal(encoded(v), s.value[:]) {
		return nil, ErrShare
	}
	return v, nil
}

func at(index int) group.Scalar { return curve.NewScalar().SetUint64(uint64(index)) }
