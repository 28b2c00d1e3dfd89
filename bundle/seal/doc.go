// Package seal encrypts a ceremony's secrets to the nodes that need them.
//
// A sealed secret is an age v1 file (age-encryption.org/v1) in ASCII armor, so
// the age command opens it too. A node's identity is two of age: a hybrid one, which
// joins ML-KEM-768 and X25519, and an X25519 one ("AGE-SECRET-KEY-PQ-1…" and
// "AGE-SECRET-KEY-1…", a line each). It never leaves the node; the recipient ("age1pq1…
// age1…", both in one line) goes out in its request. Older nodes have X25519 alone. An
// SSH key (ssh-ed25519, ssh-rsa) may be a recipient as well: a node's host key, which is
// there already and is known to others, or that of an escrow, whose holder opens his
// file with age. Keys of age are to be preferred: they serve for nothing else, and a
// sealed file does not name them.
//
// A file is sealed to hybrid recipients when all of its recipients have one, and to none
// of them otherwise: age mixes them with no others, since the weakest would open the file.
//
// What is promised: who holds none of the identities learns the length of the
// secret, the number and kinds of the recipients, and nothing else; a sealed
// file that was changed does not open, not even in part. What is not: whoever
// takes an identity later opens every file sealed to it before, and a sealed
// file does not say who sealed it: that a bundle is genuine, its signature says.
//
// Plugin recipients are refused: they need a second program.
package seal
