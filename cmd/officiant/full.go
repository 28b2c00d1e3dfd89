//go:build !airgap

package main

const airgapSuffix = ""
const airgap = false
