package quorum

import (
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	"github.com/cloudflare/circl/zk/dl"

	"officiant/bundle/fingerprint"
)

// Proof shows that somebody had the share of an index, for what they said it was.
// It is public: 128 hex digits.
type Proof struct {
	Index int
	Text  string
}

// Prove proves that a share is there, bound to purpose: a text that people read,
// such as the day of a drill or the digest of a ceremony.
func (s *Set) Prove(random io.Reader, share *Share, purpose string) (Proof, error) {
	if err := s.Verify(share); err != nil {
		return Proof{}, err
	}
	v, err := share.scalar()
	if err != nil {
		return Proof{}, err
	}
	p := dl.Prove(curve, curve.Generator(), s.public(share.Index), v, s.prover(share.Index), bound(purpose), random)
	return Proof{share.Index, fmt.Sprintf("%x%x", encoded(p.V), encoded(p.R))}, nil
}

// Check says why a proof does not show that share's presence for purpose; nil
// when it does.
func (s *Set) Check(p Proof, purpose string) error {
	who := s.Person(p.Index)
	if who == "" {
		return fmt.Errorf("proof of share %d: the set has shares 1 to %d", p.Index, len(s.People))
	}
	bad := fmt.Errorf("proof of share %d (%s): is not one of that share for %q", p.Index, who, purpose)
	raw, err := hex.DecodeString(p.Text)
	if err != nil || len(raw) != 64 || strings.ToLower(p.Text) != p.Text {
		return bad
	}
	v, r := curve.NewElement(), curve.NewScalar()
	if v.UnmarshalBinary(raw[:32]) != nil || r.UnmarshalBinary(raw[32:]) != nil ||
		hex.EncodeToString(encoded(v))+hex.EncodeToString(encoded(r)) != p.Text ||
		!dl.Verify(curve, curve.Generator(), s.public(p.Index), dl.Proof{V: v, R: r}, s.prover(p.Index), bound(purpose)) {
		return bad
	}
	return nil
}

func (s *Set) prover(index int) []byte {
	return fmt.Appendf(nil, "%s %d %s", s.ID(), index, s.Person(index))
}

func bound(purpose string) []byte { return []byte("officiant pin proof v1\n" + purpose) }

// Opening is the purpose of proofs on the record of a ceremony: a token that was
// opened in it.
func Opening(label, serial string, ceremony fingerprint.SHA256) string {
	return fmt.Sprintf("open token %s, serial %s, in ceremony %s", label, serial, ceremony)
}
