// Package pkcs11 keeps keys in PKCS#11 tokens: Open logs in to one, and the
// Store it returns finds, makes and uses keys. It needs cgo.
//
// # URIs
//
// RFC 7512, naming label or serial and perhaps more; exactly one token present
// must have these values:
//
//	pkcs11:token=LABEL;serial=S;model=M;manufacturer=M;object=KEY;id=%01%02;type=private?module-path=/abs/module.so&pin-source=file:/abs/pin
//
// module-name, in place of a path, is looked for in the usual directories.
// pin-source is a file of its owner's with one line ("file:/abs/pin",
// "/abs/pin") or an open descriptor ("fd:3": a line for each token). attestation is
// the absolute path of certificates by the maker's devices about keys. All other
// attributes are refused, above all pin-value (it would stand in files and
// arguments) and slot-id (slots are renumbered).
//
// # Login
//
// Flags first: a token that is locked or before its last try (signer.ErrFinalTry,
// unless Options name it), or that is logged in to already, is refused before a
// PIN is asked for. One PIN is tried once. Stores on one token share a login. A
// PIN crosses to the module's process once and is cleared behind itself; it is
// never a Go string, except there with modules that give each caller a function
// list of its own (p11-kit's), where miekg/pkcs11 copies it. A key with
// CKA_ALWAYS_AUTHENTICATE has its PIN asked for at each signature, one at a time
// and with the same rules; a pin-source whose PIN was refused is not read again.
//
// # Keys
//
// A key that reads so is Attested when a certificate among those of a Yubico token, or of
// the file that attestation names, is the maker's word for it (package attestation).
//
// Create asserts that label and CKA_ID are new, makes the key with an exact
// template, and reads all attributes back, singly. MODIFIABLE, COPYABLE and
// DECRYPT are switched off where the token lets them be. Its grade is Unproven
// unless TOKEN, PRIVATE, SENSITIVE, ALWAYS_SENSITIVE, NEVER_EXTRACTABLE, LOCAL
// and SIGN read true, EXTRACTABLE reads false, no use that was switched off
// reads true, and the mechanism that made it, if told, fits. Else it is Software
// or Consistent: a token's word is a claim. Probe puts it to the test on a
// canary of the same template, the caller on the key by a signer.Challenge. A
// key is found by its private half, of which there must be one; List shows all,
// and says of each that cannot be used why.
//
// # Deadlines
//
// A module has a process of its own (package module), and each call a limit:
// Options.Timeout, or five times that to make a key or to type at a pad. When it
// is over, or ctx ends first, the caller and all later ones of that Store get
// signer.ErrUnavailable, with the call's name; Close ends the process, unless it
// is in a call that may write to the token: it is left alone, and named. Whoever
// cancels ctx while a key is made, or a canary is changed or destroyed, waits for
// the answer, though not past the limit or ctx's deadline. A person has all the
// time there is to answer PINFunc.
//
// # Libraries
//
// miekg/pkcs11 is the base. crypto11 v1.2.5 builds key templates, and judges
// our keys in the tests; it does not sign (decision 4). A signature is C_SignInit
// and C_Sign in one step; those that wait for a session cross to the process
// together. Stores on one module share its process, since a login is the
// process's: started by the first, and given back by the last.
package pkcs11
