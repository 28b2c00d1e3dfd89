// Package signer names, finds and creates keys that never leave a PKCS#11 token or a
// cloud KMS. It has the contract of a backend, and no backend.
//
// # Where a key lives
//
// A Ref is a URI and the key's label in the plan. "pkcs11:" URIs follow RFC 7512; the
// label is used if the URI has no object attribute. A URI never contains a PIN: a
// PINFunc asks for PINs, once for each token, and each is tried once.
//
// # Evidence
//
// Info says where a key is and what the device claims about it. Claims are graded,
// from strong to weak: Attested (the vendor's signature vouches for the key),
// Consistent (the attributes read back fit a key that was created inside and cannot
// leave), Software (the same, but the token is software, so whoever has its files has
// the key), Unproven (an attribute is missing or contradicts; a missing one does not
// count as false).
//
// # Challenge
//
// Challenge proves that a key handle belongs to an expected public key. The key signs
// "officiant challenge v1", a newline, a 32-byte nonce and the DER
// SubjectPublicKeyInfo, hashed with the key's own hash: SHA-256 for P-256 and RSA,
// SHA-384 for P-384, SHA-512 for P-521. The signature of a challenge can never pass
// for that of a certificate, a list or a bundle.
package signer
