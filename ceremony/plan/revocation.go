package plan

import (
	"math/big"

	"officiant/ceremony/revocation"
)

// Reason is revocation.Reason as the plan writes it.
type Reason = revocation.Reason

// Revocation is a certificate that is not to be trusted until it ends.
type Revocation struct {
	Serial    Serial `yaml:"serial"`
	Authority string `yaml:"authority"` // who signed it, and signs the list
	Reason    Reason `yaml:"reason"`
	Comment   string `yaml:"comment"` // for people; in no list
}

// CRL is a revocation list to be made.
type CRL struct {
	Authority  string   `yaml:"authority"`
	NextUpdate Duration `yaml:"nextUpdate"` // when there will be another, from the ceremony's NotBefore
}

// Serial is a serial number, in hex.
type Serial struct{ *big.Int }

// UnmarshalText reads hex digits of either case.
func (s *Serial) UnmarshalText(text []byte) error {
	n, err := revocation.ParseSerial(string(text))
	s.Int = n
	return err
}
