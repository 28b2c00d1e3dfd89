//go:build !airgap

package main

const airgapSuffix = ""
const airgap = false

// clouds are the backends that the room's program is built without.
func clouds() map[string]backend {
	return map[string]backend{}
}
