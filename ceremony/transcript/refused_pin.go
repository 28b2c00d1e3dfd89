package transcript

import (
	"errors"
	"fmt"
)

// PINRefused says that a token did not take a PIN. Nothing of the PIN is in it.
type PINRefused struct {
	Token Token  `json:"token"`
	For   string `json:"for,omitempty"` // label of the key whose signature it was for; empty: the login
	Tries int    `json:"tries"`         // of this token since it was last opened, this one included
}

func (PINRefused) Type() Type { return "pin-refused" }

// WrongPINs are, by a token's ID, the last wrong PIN of those that were not followed
// by a login.
type WrongPINs map[string]PINRefused

// Take takes the next line.
func (w WrongPINs) Take(r Record) {
	switch r := r.(type) {
	case Token:
		delete(w, r.ID())
	case PINRefused:
		w[r.Token.ID()] = r
	}
}

// refusePIN refuses a wrong PIN that is counted otherwise than the lines.
func (o *order) refusePIN(r PINRefused) error {
	if r.Token.Label == "" && r.Token.Serial == "" {
		return errors.New("pin-refused: by no token")
	}
	if want := o.wrongPINs[r.Token.ID()].Tries + 1; r.Tries != want {
		return fmt.Errorf("pin-refused: %d tries of token %s, the lines hold %d", r.Tries, r.Token.Label, want)
	}
	return nil
}
