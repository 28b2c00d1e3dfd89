package transcript

import (
	"errors"
)

// PINShares says that a token's PIN was put together from shares: by whom, with proofs
// that each share was there, and nothing of it. ceremony/quorum has their form.
type PINShares struct {
	Label  string     `json:"label"` // of the token
	Serial string     `json:"serial"`
	Set    string     `json:"set"` // its text, by which each share can be checked alone
	Proofs []PINProof `json:"proofs"`
}

// PINProof is the proof of one person's share.
type PINProof struct {
	Index  int    `json:"index"` // of the person in the set, from 1
	Person string `json:"person"`
	Proof  string `json:"proof"` // 128 hex digits
}

func (PINShares) Type() Type { return "pin-shares" }

// pinShares refuses what no prompt writes.
func (o *order) pinShares(r PINShares) error {
	last := 0
	for _, p := range r.Proofs {
		if p.Index <= last {
			return errors.New("pin-shares: shares are not in the order of their numbers, each once")
		}
		last = p.Index
	}
	if r.Set == "" {
		return errors.New("pin-shares: without a set")
	}
	if len(r.Proofs) < 2 {
		return errors.New("pin-shares: by fewer than two people")
	}
	return nil
}
