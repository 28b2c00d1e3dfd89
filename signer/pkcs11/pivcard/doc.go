// Package pivcard is a smart card with the PIV application as YubiKeys have it, for tests:
// what Yubico's own module (libykcs11) and pcscd talk to in place of a device that nobody
// has at hand. It speaks APDUs, and Insert puts it into the virtual reader of
// vsmartcard-vpcd. It is a stand-in at the wire, not a copy of a YubiKey: what it answers
// is read in Yubico's documentation of PIV and in the source of yubico-piv-tool 2.2.0.
//
// It has the 24 slots for keys (9a, 9c, 9d, 9e, 82 to 95) and the attestation key f9, a PIN
// and a PUK with tries, a management key (3DES or AES), data objects, metadata,
// attestations under a root of the test's, and PIN policies, of which "always" wants the PIN
// right before each signature. It needs no touch.
//
// Faults are switches: Pull takes it out of the reader, After runs a function when an
// instruction has been carried out and before it is answered, and Refuse answers the next
// ones of an instruction with a status.
package pivcard
