//go:build cgo

package pkcs11

import (
	"context"
	"fmt"

	"github.com/miekg/pkcs11"

	"officiant/signer"
)

var _ signer.PINChanger = (*store)(nil)

// ChangePIN sets the token's user PIN (C_SetPIN), tried once.
func (s *store) ChangePIN(ctx context.Context, old, pin []byte) error {
	_, err := writing(ctx, s, s.limits.call, func(h pkcs11.SessionHandle) (struct{}, error) {
		return struct{}{}, called("C_SetPIN", s.lib.ctx.SetPIN(h, old, pin))
	})
	switch {
	case isCode(err, pkcs11.CKR_PIN_LEN_RANGE, pkcs11.CKR_PIN_INVALID):
		return fmt.Errorf("%s: the token does not take such a PIN, and keeps the old one: %w: %w", s.token,
			signer.ErrPIN, err)
	case isCode(err, wrongPIN...):
		return fmt.Errorf("%s: the token keeps the old PIN: %w: %w", s.token, signer.ErrPIN, err)
	case err != nil:
		return fmt.Errorf("%s: %w", s.token, err)
	}
	return nil
}
