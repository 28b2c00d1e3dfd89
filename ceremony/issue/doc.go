// Package issue is the only place where a CA key signs.
//
// Checker.Check makes a certificate with a throw-away key, takes its to-be-signed
// bytes, and lints it; what it returns, a Checked, is the only thing Sign
// takes. The throw-away key is of the kind of the issuer's (P-256, or RSA of 2048
// bits), and the signature algorithm in the certificate is the issuer's own, so
// the to-be-signed bytes are those the token will sign: they do not depend on who
// signs them. The caller puts them on record between the two calls.
//
// Sign has the token sign the hash of those bytes, nothing else. It verifies the
// signature with the public key that Check was told, not with what the key
// says of itself, reads the certificate back, and compares. A device that gives
// a wrong signature gets an error with its key's name, and no certificate
// leaves.
//
// CheckRequest and SignRequest are the same for a PKCS #10 request by which an
// authority's key asks an external root for its certificate.
// Revocation lists go the same way: CheckCRL, CheckedCRL, SignCRL.
//
// File has the release key sign the SHA-256 of a file, as plain ECDSA or RSA
// PKCS #1 v1.5, so that `openssl dgst -sha256 -verify` can check it.
package issue
