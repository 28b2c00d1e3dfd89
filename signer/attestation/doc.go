// Package attestation verifies what a token's maker says of a key: certificates that
// the token itself signs over a public key, with a key that its maker has certified.
//
// # YubiKey, PIV
//
// The token's own key (slot f9, "Yubico PIV Attestation") signs the attestation
// certificate of a slot, and Yubico signs that key's certificate. A YubiKey attests
// only keys that it made, and none of them can leave. Extensions below
// 1.3.6.1.4.1.41482.3: 3 firmware (three bytes), 7 serial (INTEGER), 8 PIN and touch
// policy (two bytes), 9 form (one byte).
//
// # YubiHSM 2
//
// The device's own key ("YubiHSM Attestation (SERIAL)") signs the attestation certificate
// of an object. A sub-CA of its batch signs the device's certificate, and Yubico's root
// for the YubiHSM signs the sub-CA's. Extensions below 1.3.6.1.4.1.41482.4: 1 firmware
// (OCTET STRING), 2 serial (INTEGER), 3 origin (BIT STRING: 1 made, 2 imported, 16
// imported under wrap), 4 domains, 5 capabilities (BIT STRING of eight bytes; bit 16:
// may leave under wrap), 6 id (INTEGER), 9 label (UTF8String). All but 9 are required.
//
// # What is refused
//
// A certificate about another key; a key that was imported, or may leave; an RSA key of
// a YubiKey 4 with the firmware that made weak ones (4.2.6 to 4.3.4); a chain of any
// other length, because a key of the token's user must not vouch for another. Dates are
// not judged: a token has no clock, and outlives its certificate.
package attestation
