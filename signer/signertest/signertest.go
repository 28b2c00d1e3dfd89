// Package signertest is the conformance suite every key backend passes.
package signertest

import (
	"testing"

	"officiant/signer"
)

// NewStore opens an empty store and says how a key of a label is named in it.
// The suite closes the store.
type NewStore func(t *testing.T) (store signer.Store, ref func(label string) signer.Ref)

// Run runs the suite for the algorithms the backend offers.
func Run(t *testing.T, newStore NewStore, algorithms ...signer.Algorithm) { t.Fatal("not yet") }
