// Package attestation verifies again what makers' devices said of keys, from the
// record alone: offline, with no token, and with none of the code that judged it when
// the key was made (signer/attestation, signer/gcpkms). The two share the makers'
// certificates, which are data, and nothing else.
//
// # What is on record
//
// The attributes of a key, each beginning with "attestation.":
//
//   - format: "yubikey-piv" or "yubihsm2", with certificates: DER in base64, one a word,
//     the key's first, each signed by the next, the one that was relied on last;
//   - format: "CAVIUM_V1_COMPRESSED" or "CAVIUM_V2_COMPRESSED" (Cloud HSM), with content,
//     sha256, caviumCerts, googleCardCerts and googlePartitionCerts;
//   - roots: the sums of what was relied on; result: "verified".
//
// What else is said there (firmware, serial, policies) is for people: it is not believed,
// but read anew from the certificate that was verified, and must agree.
//
// # What comes of it
//
// Verified; or no such attestation, which is a finding; or ErrNoRoot: sound in itself, and
// it leads to no root that is built in or given. That one is not checked, and said so.
package attestation
