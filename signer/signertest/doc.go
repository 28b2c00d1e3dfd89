// Package signertest is the conformance suite every key backend passes.
//
// Run opens a fresh store for each of its tests and checks it against the contract of
// package signer: keys are created once, found again by name and id, sign so
// that their public key verifies, refuse what nobody could verify, prove
// themselves by a challenge, work from many goroutines, and stop at the end of
// a context. What is special to one kind of device, such as a wrong PIN, is
// tested in that backend's package.
package signertest
