// Package gcpkmstest is a Google Cloud KMS for tests: a gRPC server on the
// loopback, without TLS, that holds real keys and speaks the real protocol. It
// knows the calls that package gcpkms makes and no other.
//
// It is strict where Google is: names, CRC32C of digests, one hash to a key,
// states, names that are never free again. Its HSM attests keys in the layout of
// real attestations, under its own maker's and owner's roots (Roots).
// Break switches faults on, and Mend switches them off. Its answers follow
// Google's reference; they were never compared with Google's own service.
package gcpkmstest
