// Package fingerprint shows a digest as grouped hex and as PGP words, so that
// two people can compare it by eye or by voice.
//
// A fingerprint is a SHA-256 digest. It has four forms, of the same 32 bytes:
//
//	text     b697b37ee1c5447c1e344a90fee486c816afe03519f16f724f8472953b46f784
//	grouped  b697 b37e e1c5 447c …      sixteen groups of four digits
//	words    Scotland mosquito scallion insurgent …
//	lines    two lines of eight groups, then eight lines of four words
//
// Files hold the text form: 64 lower-case hex digits and nothing else, as
// sha256sum prints them. Parse reads what people pass on: the text or
// the grouped form, in upper or lower case, with or without "sha256:" before it, or
// pairs with colons as openssl prints them. ParseWords reads the words.
//
// The words are the PGP word list. The byte at position 0, 2, 4, … gives a word
// of two syllables, the byte at position 1, 3, 5, … a word of three, so that people
// hear a word that is left out, repeated or swapped with the next one.
//
// The fingerprint of a key is that of its DER SubjectPublicKeyInfo (SPKI), as
//
//	openssl pkey -pubin -in release.pub -outform DER | sha256sum
package fingerprint
