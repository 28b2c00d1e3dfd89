// Package attestation verifies again what makers' devices said of keys, from the
// record alone: offline, without a token, and without the code that judged it when
// the key was made (signer/attestation, signer/gcpkms). The two share only the makers'
// certificates, which are data.
//
// # What is on record
//
// The attributes of a key, each beginning with "attestation.":
//
//   - format: "yubikey-piv" or "yubihsm2", with certificates: DER in base64, separated by
//     spaces, the key's first, each signed by the next, the one that was relied on last;
//   - format: "CAVIUM_V1_COMPRESSED" or "CAVIUM_V2_COMPRESSED" (Cloud HSM), with content,
//     sha256, caviumCerts, googleCardCerts and googlePartitionCerts;
//   - roots: the sums of what was relied on; result: "verified".
//
// The other attributes (firmware, serial, policies) are for people. They are not trusted:
// they are read again from the verified certificate, and must agree.
//
// # Result
//
// There are three results: verified; no such attestation, which is a finding; or ErrNoRoot:
// the attestation is sound in itself, but leads to no root that is built in or given. That
// one is reported as not checked.
package attestation
