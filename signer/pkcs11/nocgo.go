//go:build !cgo

package pkcs11

import (
	"context"
	"fmt"

	"officiant/signer"
)

// errNoCgo is the answer of a program that an auditor may build without cgo:
// it verifies, and reaches no token.
var errNoCgo = fmt.Errorf("%w: PKCS#11 tokens need cgo, and this program was built without it", signer.ErrUnavailable)

// Open says that this program was built without cgo.
func Open(context.Context, signer.Ref, signer.PINFunc) (signer.Store, error) { return nil, errNoCgo }

// Open says that this program was built without cgo.
func (Options) Open(context.Context, signer.Ref, signer.PINFunc) (signer.Store, error) {
	return nil, errNoCgo
}

// Supports says that this program was built without cgo.
func Supports(signer.Ref, signer.Spec) error { return errNoCgo }

// Supports says that this program was built without cgo.
func (Options) Supports(signer.Ref, signer.Spec) error { return errNoCgo }

// Modules finds none: this program was built without cgo.
func Modules() []string { return nil }

// Tokens says that this program was built without cgo.
func Tokens(context.Context, string) ([]TokenState, error) { return nil, errNoCgo }

// Module says that this program was built without cgo.
func Module(signer.Ref) (path, sum string, err error) { return "", "", errNoCgo }

// Tokens says that this program was built without cgo.
func (Options) Tokens(context.Context, string) ([]TokenState, error) { return nil, errNoCgo }

// Vacant says that this program was built without cgo.
func (Options) Vacant(context.Context, signer.Ref) error { return errNoCgo }

// Slotted knows no module: this program was built without cgo.
func Slotted(signer.Ref) bool { return false }

// See says that this program was built without cgo.
func (Options) See(context.Context, signer.Ref) (Seen, error) { return Seen{}, errNoCgo }
