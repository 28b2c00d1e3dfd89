// Package gcpkmstest is a Google Cloud KMS for tests: a gRPC server on the
// loopback, without TLS, that holds real keys and speaks the real protocol. It
// knows the calls that package gcpkms makes and no other.
//
// It is strict where Google is: names, CRC32C of digests, one hash to a key,
// states, names that are never free again. Its HSM attests keys in the layout of
// real attestations, under a maker's and an owner's root of its own (Roots).
// Faults are switched on by Break and off by Mend. What it answers was written
// from Google's reference; it was never held against Google's own service.
package gcpkmstest
