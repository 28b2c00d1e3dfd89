// Package quorum splits a token's PIN into verifiable shares, so that no one person
// has it, and combines them again.
//
// The shares do not split the PIN itself, but a random secret, with Feldman's scheme
// over ristretto255: a polynomial of degree threshold-1 whose value at 0 is the
// secret, and whose value at i is the share of person i. The commitments, the
// generator times each coefficient, are public: with them, each share can be checked
// by itself. The secret is the key that the PIN is sealed with, and the sealed PIN is
// not public. It travels with the shares, and the set has only its digest. So nobody
// can test a PIN with the public part, even if discrete logarithms can be computed.
//
// # Formats
//
// All are plain text, UTF-8, with one field per line, and strict: there is only one
// way to write each. A set is public, and its identity is the SHA-256 of its bytes:
//
//	officiant pin set v1
//	token: acme-root
//	threshold: 2
//	person: alice
//	person: bob
//	person: kim
//	commitment: <64 hex digits>
//	commitment: <64 hex digits>
//	sealed-pin: <SHA-256 of the sealed PIN, 64 hex digits>
//
// The sealed PIN is ChaCha20-Poly1305 under HKDF-SHA256 of the secret, with a nonce
// of zeros, since each secret seals once, and the set's lines before the last as
// associated data. Its plaintext is the PIN's length in one byte, the PIN, and
// zeros to a multiple of 32:
//
//	officiant sealed pin v1
//	<hex digits>
//
// A share is for one person:
//
//	officiant pin share v1
//	set: <the set's identity>
//	person: alice
//	index: 1
//	value: <64 hex digits>
//	sealed-pin: <hex digits>
//
// On paper, its value is 32 words of the PGP word list, as in a fingerprint, followed
// by four digits that check number, set and value. Its QR code has the value and
// these digits in hex.
//
// A proof shows that a person's share was present, and reveals nothing about it:
// Schnorr's, of RFC 8235, for the discrete logarithm of the share's public half,
// bound to the person and to the purpose.
//
// Promised: threshold shares open the PIN, and fewer reveal nothing about it, even to
// someone who has the sealed PIN. Not promised: that a share is destroyed, or that
// whoever typed the PIN does not keep it. Go may leave copies of a scalar in memory
// until the process ends.
package quorum
