// Package policy says what a request to an online signer comes to. It is pure: the
// same grant, request, state and time give the same answer, and nothing is read, kept
// or signed here.
//
// Read holds a request against the grant: a signer name of it, exact usages, a
// CertificateSigningRequest of right size and form whose key signs it, a subject that
// is the requester's, and no name that is not the grant's. What it returns, a Claim,
// has everything a certificate says from the grant and nothing from the request but
// the public key and whether keyEncipherment was asked for. Allow holds the Claim
// against what was signed before.
//
// A refusal has a Reason, which is a promise to whoever counts or reads them, and says
// whether it is final, or a matter of time (Later): then nothing is to be denied.
package policy
