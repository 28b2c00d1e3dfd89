//go:build cgo

package pkcs11

import (
	"fmt"

	"github.com/miekg/pkcs11"
)

// unmake destroys the key that this call has made and cannot use, as why says:
// tpm2-pkcs11 makes P-521 keys with a point that is none. A token that is gone
// keeps what it has.
func (m *maker) unmake(h pkcs11.SessionHandle, made pair, why error) error {
	if isCode(why, gone...) {
		return why
	}
	for _, half := range []pkcs11.ObjectHandle{made.private, made.public} {
		if err := called("C_DestroyObject", m.objects.ctx.DestroyObject(h, half)); err != nil {
			return fmt.Errorf("%w; nor can it be destroyed: %w", why, err)
		}
	}
	return fmt.Errorf("%w; it was destroyed", why)
}
