//go:build cgo

package pkcs11

import (
	"fmt"

	"github.com/miekg/pkcs11"
)

// unmake destroys the key that this call has made and cannot use, as why says:
// tpm2-pkcs11 makes P-521 keys with a point that is none. The id is fresh, so
// it is nobody else's. A token that is gone keeps what it has.
func (s *store) unmake(h pkcs11.SessionHandle, id []byte, why error) error {
	if isCode(why, gone...) {
		return fmt.Errorf("made, but cannot be used: %w", why)
	}
	for _, class := range []uint{pkcs11.CKO_PRIVATE_KEY, pkcs11.CKO_PUBLIC_KEY} {
		halves, err := s.objects(h, class, "", id)
		for _, half := range halves {
			if err == nil {
				err = called("C_DestroyObject", s.lib.ctx.DestroyObject(h, half))
			}
		}
		if err != nil {
			return fmt.Errorf("made, but cannot be used: %w; nor destroyed: %w", why, err)
		}
	}
	return fmt.Errorf("made, and destroyed again, since it cannot be used: %w", why)
}
