//go:build airgap

package main

// airgapSuffix tells the room's program from the one with the clouds in it.
const airgapSuffix = " (airgap)"
const airgap = true

// clouds is empty: nothing in the room reaches out.
func clouds() map[string]backend { return nil }
