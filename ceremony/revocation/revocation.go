package revocation

import (
	"fmt"
	"math/big"
	"strings"
)

// Reason is why a certificate is revoked: a name of RFC 5280, 5.3.1.
type Reason string

const (
	KeyCompromise        Reason = "keyCompromise"
	CACompromise         Reason = "cACompromise"
	AffiliationChanged   Reason = "affiliationChanged"
	Superseded           Reason = "superseded"
	CessationOfOperation Reason = "cessationOfOperation"
	PrivilegeWithdrawn   Reason = "privilegeWithdrawn"
)

// Reasons lists those that a ceremony uses.
var Reasons = []Reason{KeyCompromise, CACompromise, AffiliationChanged, Superseded, CessationOfOperation, PrivilegeWithdrawn}

// codes are RFC 5280's, all of them.
var codes = map[Reason]int{
	"unspecified": 0, KeyCompromise: 1, CACompromise: 2, AffiliationChanged: 3, Superseded: 4, CessationOfOperation: 5,
	"certificateHold": 6, "removeFromCRL": 8, PrivilegeWithdrawn: 9, "aACompromise": 10,
}

// unused says why a reason of RFC 5280 is none of a ceremony's.
var unused = map[Reason]string{
	"unspecified":     "says nothing: name the reason, such as superseded",
	"certificateHold": "can be undone, and lists of a ceremony only grow: revoke it, or leave it",
	"removeFromCRL":   "undoes a certificateHold, which no ceremony makes",
	"aACompromise":    "is about attribute certificates",
}

// Check says why a text is no reason that a ceremony uses.
func (r Reason) Check() error {
	if why, ok := unused[r]; ok {
		return fmt.Errorf("reason %s %s", r, why)
	}
	if _, ok := codes[r]; !ok {
		return fmt.Errorf("reason %q is none of RFC 5280's: %s", string(r), names())
	}
	return nil
}

// Code is the reason's number.
func (r Reason) Code() int { return codes[r] }

// OfCode names a number; one that RFC 5280 does not have as "reason 7".
func OfCode(code int) Reason {
	for r, c := range codes {
		if c == code {
			return r
		}
	}
	return Reason(fmt.Sprintf("reason %d", code))
}

func names() string {
	texts := make([]string, len(Reasons))
	for i, r := range Reasons {
		texts[i] = string(r)
	}
	return strings.Join(texts, ", ")
}

// ParseSerial reads a serial number in hex, in either case, as "officiant ceremony
// inventory" and "openssl x509 -serial" print it.
func ParseSerial(s string) (*big.Int, error) {
	n, ok := new(big.Int).SetString(s, 16)
	if !ok || len(s) > 42 || strings.ContainsAny(s, "+-_") || n.Sign() == 0 {
		return nil, fmt.Errorf("serial number %.50q is not one in hex", s)
	}
	return n, nil
}
