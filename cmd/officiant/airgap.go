//go:build airgap

package main

import "crypto/x509"

// airgapSuffix tells the room's program from the one with the clouds in it.
const airgapSuffix = " (airgap)"
const airgap = true

// clouds is empty: nothing in the room reaches out.
func clouds([]*x509.Certificate) map[string]backend { return nil }
