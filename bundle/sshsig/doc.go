// Package sshsig makes and checks SSH signatures over files, as
// `ssh-keygen -Y sign` and `ssh-keygen -Y verify` do (OpenSSH's PROTOCOL.sshsig).
//
// A signature is text:
//
//	-----BEGIN SSH SIGNATURE-----
//	base64, 70 columns a line
//	-----END SSH SIGNATURE-----
//
// In it are the public key, a namespace and the signature, of SHA-512 of the
// file. The namespace says what the signature is for: one made for another
// purpose is refused, as is every other spelling of the same. Keys are Ed25519,
// ECDSA and RSA of 2048 bits or more, also those of security keys (FIDO), which
// have to say that they were touched; an RSA key signs with SHA-2, never SHA-1.
//
// Verify shows that the key in the signature made it. Whose key that is, the
// caller has to know.
package sshsig
