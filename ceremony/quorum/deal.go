package quorum

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/cloudflare/circl/group"
	"github.com/cloudflare/circl/secretsharing"
	"golang.org/x/crypto/chacha20poly1305"

	"officiant/bundle/fingerprint"
)

// MaxPIN is how long a PIN may be, in bytes.
const MaxPIN = 223

// Deal seals a PIN under a new secret, and deals that to people. Each share was
// verified. The caller clears PIN and shares.
func Deal(random io.Reader, token string, people []string, threshold int, pin []byte) (*Set, []*Share, error) {
	if len(pin) == 0 || len(pin) > MaxPIN {
		return nil, nil, fmt.Errorf("a PIN of %d bytes; it has 1 to %d", len(pin), MaxPIN)
	}
	s := &Set{Token: token, Threshold: threshold, People: people}
	if err := s.dealable(); err != nil {
		return nil, nil, err
	}
	secret := curve.RandomNonZeroScalar(random)
	dealt := secretsharing.New(random, uint(threshold-1), secret)
	s.commitments = dealt.CommitSecret()
	sealed, err := s.seal(secret, pin)
	if err != nil {
		return nil, nil, err
	}
	s.Sealed = fingerprint.Of(sealed)
	var shares []*Share
	for i, v := range dealt.Share(uint(len(people))) {
		share := &Share{Set: s.ID(), Person: people[i], Index: i + 1, Sealed: sealed}
		copy(share.value[:], encoded(v.Value))
		if err := s.Verify(share); err != nil {
			return nil, nil, err
		}
		shares = append(shares, share)
	}
	return s, shares, nil
}

// seal encrypts the PIN, padded, so that its length does not show.
func (s *Set) seal(secret group.Scalar, pin []byte) ([]byte, error) {
	padded := make([]byte, (len(pin)+1+31)/32*32)
	defer clear(padded)
	padded[0] = byte(len(pin))
	copy(padded[1:], pin)
	box, err := boxOf(secret)
	if err != nil {
		return nil, err
	}
	return box.Seal(nil, make([]byte, box.NonceSize()), padded, s.opening()), nil
}

func (s *Set) unseal(secret group.Scalar, sealed []byte) ([]byte, error) {
	box, err := boxOf(secret)
	if err != nil {
		return nil, err
	}
	padded, err := box.Open(nil, make([]byte, box.NonceSize()), sealed, s.opening())
	if err != nil || len(padded) == 0 || int(padded[0]) >= len(padded) {
		return nil, errors.New("the sealed PIN does not open with these shares: it was changed")
	}
	defer clear(padded)
	return append([]byte(nil), padded[1:1+int(padded[0])]...), nil
}

// boxOf is the cipher that a secret seals with.
func boxOf(secret group.Scalar) (cipher.AEAD, error) {
	raw := encoded(secret)
	defer clear(raw)
	key, err := hkdf.Key(sha256.New, raw, nil, sealedTitle, chacha20poly1305.KeySize)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	return chacha20poly1305.New(key)
}

// SealedText is a sealed PIN as its file holds it.
func SealedText(sealed []byte) []byte { return fmt.Appendf(nil, "%s\n%x\n", sealedTitle, sealed) }

// ParseSealed reads a sealed PIN, and refuses one that is not the set's.
func (s *Set) ParseSealed(data []byte) ([]byte, error) {
	text, ok := strings.CutPrefix(strings.TrimSuffix(string(data[:min(len(data), maxText)]), "\n"), sealedTitle+"\n")
	sealed, err := hex.DecodeString(text)
	switch {
	case !ok:
		return nil, fmt.Errorf("sealed PIN: does not begin with the line %q", sealedTitle)
	case err != nil:
		return nil, errors.New("sealed PIN: line 2 is not hex digits")
	case fingerprint.Of(sealed) != s.Sealed:
		return nil, fmt.Errorf("sealed PIN: is not that of the set of token %s: its SHA-256 is %s, the set says %s", s.Token,
			fingerprint.Of(sealed), s.Sealed)
	}
	return sealed, nil
}

// Collector takes shares of one set until they are enough.
type Collector struct {
	Set    *Set
	shares map[int]*Share
}

// Add takes a share that is the set's, and was not given before.
func (c *Collector) Add(s *Share) error {
	if err := c.Set.Verify(s); err != nil {
		return err
	}
	if c.shares[s.Index] != nil {
		return fmt.Errorf("share %d (%s) was given already: it takes %d different ones", s.Index, s.Person, c.Set.Threshold)
	}
	if c.shares == nil {
		c.shares = map[int]*Share{}
	}
	c.shares[s.Index] = s
	return nil
}

// Missing is how many shares it still takes.
func (c *Collector) Missing() int { return max(0, c.Set.Threshold-len(c.shares)) }

// Open opens the sealed PIN. The caller clears it.
func (c *Collector) Open(sealed []byte) ([]byte, error) {
	if n := c.Missing(); n > 0 {
		return nil, fmt.Errorf("%d of %d shares are there: %d are missing", len(c.shares), c.Set.Threshold, n)
	}
	if fingerprint.Of(sealed) != c.Set.Sealed {
		return nil, errors.New("the sealed PIN is not the set's")
	}
	var list []secretsharing.Share
	for _, s := range c.shares {
		v, err := s.scalar()
		if err != nil {
			return nil, err
		}
		list = append(list, secretsharing.Share{ID: at(s.Index), Value: v})
	}
	secret, err := secretsharing.Recover(uint(c.Set.Threshold-1), list)
	if err != nil {
		return nil, err
	}
	return c.Set.unseal(secret, sealed)
}

// Clear makes the shares useless.
func (c *Collector) Clear() {
	for _, s := range c.shares {
		s.Clear()
	}
	c.shares = nil
}

// Prove proves each share that is there, by number.
func (c *Collector) Prove(random io.Reader, purpose string) ([]Proof, error) {
	var out []Proof
	for i := range c.Set.People {
		if s := c.shares[i+1]; s != nil {
			p, err := c.Set.Prove(random, s, purpose)
			if err != nil {
				return nil, err
			}
			out = append(out, p)
		}
	}
	return out, nil
}
