// Package seal encrypts a ceremony's secrets to the nodes that need them.
//
// A sealed secret is an age v1 file (age-encryption.org/v1) in ASCII armor, so
// the age command opens it too. A node's identity is an X25519 key of age: the
// identity ("AGE-SECRET-KEY-1…") never leaves the node, the recipient ("age1…")
// goes out in its request. An SSH key (ssh-ed25519, ssh-rsa) may be a recipient
// as well: a node's host key, which is there already and is known to others, or
// that of an escrow, whose holder opens his file with age. X25519 keys are to be
// preferred: they serve for nothing else, and a sealed file does not name them.
//
// What is promised: who holds none of the identities learns the length of the
// secret, the number and kinds of the recipients, and nothing else; a sealed
// file that was changed does not open, not even in part. What is not: whoever
// takes an identity later opens every file sealed to it before, and a sealed
// file does not say who sealed it: that a bundle is genuine, its signature says.
//
// Plugin and post-quantum recipients are refused: the former need a second
// program, the latter cannot share a file with the others.
package seal
