// Package seal encrypts a ceremony's secrets to the nodes that need them.
//
// A sealed secret is an age v1 file (age-encryption.org/v1) in ASCII armor, so the
// age command opens it too. A node's identity consists of two age identities: a
// hybrid one, which combines ML-KEM-768 and X25519, and an X25519 one
// ("AGE-SECRET-KEY-PQ-1…" and "AGE-SECRET-KEY-1…", one per line). It never leaves the
// node; its recipient ("age1pq1… age1…", both on one line) goes out in its request.
// Older nodes have only X25519. An SSH key (ssh-ed25519, ssh-rsa) may also be a
// recipient: a node's host key, which exists already and is known to others, or an
// escrow's, whose holder opens the file with age. Prefer age keys: they serve no
// other purpose, and a sealed file does not name them.
//
// A file is sealed to hybrid recipients if all of its recipients have one, and
// otherwise to none of them. age does not mix them with others, since the weakest
// would open the file.
//
// Promised: someone without any of the identities learns the length of the secret,
// the number and types of the recipients, and nothing else. A sealed file that was
// changed does not open, not even in part. Not promised: whoever obtains an identity
// later can open every file sealed to it before, and a sealed file does not say who
// sealed it. The bundle's signature says whether it is genuine.
//
// Plugin recipients are refused: they need a second program.
package seal
