// Package sshsig makes and checks SSH signatures over files, as
// `ssh-keygen -Y sign` and `ssh-keygen -Y verify` do (OpenSSH's PROTOCOL.sshsig).
//
// A signature is text:
//
//	-----BEGIN SSH SIGNATURE-----
//	base64, 70 columns a line
//	-----END SSH SIGNATURE-----
//
// It contains the public key, a namespace and the signature over the SHA-512 of the
// file. The namespace says what the signature is for. A signature made for another
// purpose is refused, as is every other spelling of the same one. Keys are Ed25519,
// ECDSA and RSA of 2048 bits or more, including those of security keys (FIDO), whose
// signature must say that the key was touched. An RSA key signs with SHA-2, never SHA-1.
//
// Verify shows that the key in the signature made it. The caller must know whose key
// that is.
package sshsig
