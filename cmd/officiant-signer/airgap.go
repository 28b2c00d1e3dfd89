//go:build airgap

package main

import "officiant/signer"

// clouds is empty: nothing reaches out.
func clouds() map[string]signer.Opener { return nil }
