// Package pkcs11 keeps keys in PKCS#11 tokens. Open logs in to a token, and the Store
// that it returns finds, creates and uses keys. It needs cgo.
//
// # URIs
//
// URIs follow RFC 7512 and name the label or the serial, and perhaps more. Exactly
// one present token must have these values:
//
//	pkcs11:token=LABEL;serial=S;model=M;manufacturer=M;object=KEY;id=%01%02;type=private?module-path=/abs/module.so&pin-source=file:/abs/pin
//
// module-name, instead of a path, is looked up in the usual directories. pin-source
// is a file that only its owner can read, with one line ("file:/abs/pin",
// "/abs/pin"), or an open descriptor ("fd:3": one line per token); so-pin-source is the
// same for who makes keys in slots. attestation is the absolute path of
// certificates in which the vendor's devices attest keys. All other
// attributes are refused, above all pin-value (it would be in files and arguments)
// and slot-id (slots are renumbered).
//
// # Login
//
// Flags are read first: a token that is locked or before its last try
// (signer.ErrFinalTry, unless Options name it), or that is already logged in to, is
// refused before a PIN is asked for. One PIN is tried once. Stores on one token share
// a login. A PIN is passed to the module's process once and cleared afterwards. It is
// never a Go string, except in that process with modules that give each caller its
// own function list (p11-kit's), where miekg/pkcs11 copies it. For a key with
// CKA_ALWAYS_AUTHENTICATE, the PIN is asked for at each signature, one at a time and
// under the same rules. A pin-source whose PIN was refused is not read again.
//
// # Keys
//
// A key that is graded Consistent is Attested if the vendor vouches for it in one of
// a Yubico token's certificates, or in one of the file that attestation names
// (package attestation).
//
// Create checks that label and CKA_ID are new, creates the key with an exact
// template, and reads all attributes back, one by one. MODIFIABLE, COPYABLE and
// DECRYPT are off if the token allows it. The grade is Unproven unless TOKEN,
// PRIVATE, SENSITIVE, ALWAYS_SENSITIVE, NEVER_EXTRACTABLE, LOCAL and SIGN read true,
// EXTRACTABLE reads false, no disabled use reads true, and the creating mechanism, if
// reported, fits. Otherwise it is Software or Consistent, because a token's word is
// only a claim. Probe tests that claim on a canary with the same template; the caller
// tests the key with a signer.Challenge. A key is found by its private key object, of
// which there must be exactly one. List shows all keys, and why one cannot be used.
//
// In a YubiKey (PIV), a key lives in a slot, which its URI names by id. Create refuses one
// that holds anything, logs in as security officer with the management key, and marks the
// slot with the id by a certificate, before and after the key is made: FindID finds it by
// that. There is no canary there, and Destroy is signer.ErrUnsupported.
//
// # Deadlines
//
// A module has its own process (package module), and each call has a limit:
// Options.Timeout, or five times that to create a key or to type at a pad. When the
// limit is over, or ctx ends first, this caller and all later callers of that Store
// get signer.ErrUnavailable with the call's name. Close ends the process, unless it
// is in a call that may write to the token: then it is left alone, and reported. If
// ctx is cancelled while a key is created, or a canary is changed or destroyed, the
// caller still waits for the answer, but not past the limit or ctx's deadline. A
// person has unlimited time to answer PINFunc.
//
// # Libraries
//
// miekg/pkcs11 is the base. crypto11 v1.2.5 builds key templates, and checks our keys
// in the tests; it does not sign (decision 4). A signature is C_SignInit and C_Sign
// in one step; signatures that wait for a session are passed to the process together.
// Stores on one module share its process, since a login belongs to the process: the
// first starts it, and the last releases it.
package pkcs11
