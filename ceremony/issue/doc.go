// Package issue is the only place where a CA key signs.
//
// Checker.Check makes a certificate with a throw-away key, takes its to-be-signed
// bytes, and lints it. It returns a Checked, and Sign accepts nothing else. The
// throw-away key has the issuer's type (P-256, or RSA with 2048 bits), and the
// signature algorithm in the certificate is the issuer's own. So the to-be-signed
// bytes are those that the token will sign: they do not depend on who signs them. The
// caller records them between the two calls.
//
// Sign asks the token to sign the hash of those bytes, and nothing else. It verifies
// the signature with the public key that Check was given, not with what the key says
// about itself. It reads the certificate back, and compares. If a device returns a
// wrong signature, the error names its key, and no certificate is returned.
//
// CheckRequest and SignRequest do the same for a PKCS #10 request with which an
// authority's key asks an external root for its certificate. Revocation lists work
// the same way: CheckCRL, CheckedCRL, SignCRL.
//
// File asks the release key to sign the SHA-256 of a file, as plain ECDSA or RSA PKCS
// #1 v1.5, so that `openssl dgst -sha256 -verify` can check it.
package issue
