package pkcs11

import (
	"context"
	"errors"

	"officiant/signer"
)

// Open opens the token ref names and logs in to it.
func Open(ctx context.Context, ref signer.Ref, ask signer.PINFunc) (signer.Store, error) {
	return nil, errors.New("not yet")
}

// Supports says whether the token ref names can make and use keys of spec,
// from its list of mechanisms and without a login.
func Supports(ref signer.Ref, spec signer.Spec) error { return errors.New("not yet") }
