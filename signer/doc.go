// Package signer names, finds and creates keys that stay where they are: in a
// PKCS#11 token or a cloud KMS. It holds the contract of a backend and nothing
// of any backend.
//
// # Where a key lives
//
// A Ref is a URI and the label the plan gives the key. "pkcs11:" URIs follow
// RFC 7512; the label is used when the URI has no object attribute. A URI
// never holds a PIN: PINs are asked for through a PINFunc, once for each
// token, and tried once.
//
// # Evidence
//
// Info says where a key lives and what the device claims about it. Claims of a
// device are graded, from strong to weak: Attested (the maker vouches for the
// key with a signature), Consistent (the attributes read back agree with a key
// that was made inside and cannot leave), Software (the same, but the token is
// software, so whoever has its files has the key), Unproven (an attribute is
// missing or says otherwise; absent is not false).
//
// # Challenge
//
// Challenge proves that a key handle belongs to an expected public key. The
// key signs "officiant challenge v1", a newline, a 32-byte nonce and the DER
// SubjectPublicKeyInfo, hashed with the key's own hash: SHA-256 for P-256 and
// RSA, SHA-384 for P-384, SHA-512 for P-521. Nothing a challenge signs can be
// taken for a certificate, a list or a bundle.
package signer
