// Package pkcs11 keeps keys in PKCS#11 tokens: Open logs in to one, and the
// Store it returns finds, makes and uses keys. It needs cgo.
//
// # URIs
//
// A token is named by an RFC 7512 URI, which names label or serial and may
// narrow further:
//
//	pkcs11:token=LABEL;serial=SERIAL;model=M;manufacturer=M;object=KEY;id=%01%02;type=private?module-path=/abs/module.so&pin-source=file:/abs/pin
//
// Exactly one token with these values must be present. module-path is an
// absolute path; module-name is looked for in the usual directories.
// pin-source is a file ("file:/abs/pin", "/abs/pin": for its owner only, one
// line) or an open file descriptor ("fd:3": one line is read for each token).
// Any other attribute is refused, above all pin-value (it would be in files and
// arguments) and slot-id (slots are renumbered).
//
// # Login
//
// The token's flags are read first. A locked token, one before its last try,
// and one this process is logged in to without our doing are refused before a
// PIN is asked for. One PIN is tried once. A second Store on the same token
// shares the login of the first and asks for nothing. The PIN is cleared after
// use and never a Go string (except with modules that hand out a function list
// of their own to each caller, such as p11-kit's: miekg/pkcs11 copies it there).
//
// # Keys
//
// Create asserts that no key has the label or the CKA_ID, then makes a key
// with TOKEN, PRIVATE, SENSITIVE, SIGN true and EXTRACTABLE, UNWRAP,
// SIGN_RECOVER, DERIVE false; DECRYPT false, unless the token refuses it. All
// attributes are read back, singly since one unknown attribute fails the lot.
// The key's grade is Unproven unless TOKEN, PRIVATE, SENSITIVE,
// ALWAYS_SENSITIVE, NEVER_EXTRACTABLE, LOCAL and SIGN read true and EXTRACTABLE
// reads false, no use reads true that was to be false, and the mechanism that
// made it, where told, is the one of its type. Else it is Software or
// Consistent; this package never says Attested. What a token says of itself is
// a claim: the caller sees to a signer.Challenge.
//
// Keys are found by their private half, of which there must be exactly one;
// its CKA_ID leads to the public one. A key that wants its PIN at each
// signature (CKA_ALWAYS_AUTHENTICATE) is refused.
//
// # Deadlines
//
// A device may hang inside a call, which cannot be broken off. When ctx ends
// first, the call is left behind in its goroutine, the caller gets
// signer.ErrUnavailable, and so does every later caller of that Store. Its
// Close does not wait; what was left behind cleans up if it ever returns.
//
// # Which library does what
//
// miekg/pkcs11 is the base. crypto11 v1.2.5 builds the key templates, and in
// the tests it is the outside judge of the keys made here; it does not sign:
//   - it must call C_Initialize itself, so our login cannot come before it, and
//     when its Configure fails it finalizes the module for every other Store;
//   - it takes the first token of a serial, and swallows "already logged in",
//     with which a wrong PIN passes;
//   - its Close waits for a hanging call for ever.
//
// Both libraries ask C_Sign for the length before they ask for the signature.
// A signature here is C_SignInit and C_Sign and no more, in one step from Go
// into C: native.go has those two calls, and C_Login for the PIN's sake.
//
// PKCS#11 modules keep one state in a process. So does this package: a module
// is loaded once, initialized by its first Store and finalized by its last.
package pkcs11
