//go:build !airgap

package main

import (
	"crypto/x509"

	"officiant/signer/awskms"
	"officiant/signer/gcpkms"
)

const airgapSuffix = ""
const airgap = false

// clouds are the backends that the room's program is built without.
func clouds(makers []*x509.Certificate) map[string]backend {
	return map[string]backend{
		"awskms": {Open: awskms.Open, Supports: awskms.Supports},
		"gcpkms": {Open: gcpkms.Options{Roots: makers}.Open, Supports: gcpkms.Supports, Attests: true},
	}
}
