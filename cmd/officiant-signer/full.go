//go:build !airgap

package main

import (
	"officiant/signer"
	"officiant/signer/awskms"
	"officiant/signer/gcpkms"
)

// clouds are the backends that an airgap build is without.
func clouds() map[string]signer.Opener {
	return map[string]signer.Opener{"gcpkms": gcpkms.Open, "awskms": awskms.Open}
}
