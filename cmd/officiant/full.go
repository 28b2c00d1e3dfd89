//go:build !airgap

package main

import (
	"officiant/signer/awskms"
	"officiant/signer/gcpkms"
)

const airgapSuffix = ""
const airgap = false

// clouds are the backends that the room's program is built without.
func clouds() map[string]backend {
	return map[string]backend{
		"awskms": {Open: awskms.Open, Supports: awskms.Supports},
		"gcpkms": {Open: gcpkms.Open, Supports: gcpkms.Supports, Attests: true},
	}
}
