// Package policy decides on a request to an online signer. It is pure: the
// same grant, request, state and time give the same answer, and it reads, keeps
// and signs nothing.
//
// Read checks the request against the grant: one of its signer names, exact usages, a
// CertificateSigningRequest of the right size and form whose key signs it, the
// requester's own subject, and only names from the grant. It returns a Claim.
// Everything in the certificate comes from the grant, except the public key and whether
// keyEncipherment was asked for. Allow checks the Claim against what was signed before.
//
// A refusal has a Reason, a stable value for programs and people who count or read
// them. It says whether the refusal is final or temporary (Later). A temporary refusal
// must not become a denial.
package policy
