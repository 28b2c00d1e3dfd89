// Package revocation names the reasons for which a certificate is revoked, as
// RFC 5280, 5.3.1 does, and says which of them a ceremony uses.
//
//	keyCompromise         others have, or may have, its private key
//	cACompromise          the same, of an authority
//	affiliationChanged    the subject, or what it belongs to, has another name by now
//	superseded            there is another in its place; nobody is suspected
//	cessationOfOperation  what it was for does not exist any more
//	privilegeWithdrawn    its holder may not do that any more
//
// Four are not used. unspecified says nothing. RFC 5280 wants the reason left out
// then, but someone who reads the list years later wants to know it. certificateHold
// can be undone, and removeFromCRL undoes it. A ceremony's lists only grow until
// their entries have expired, so that a reader with an old list never trusts more
// than the newest allows. aACompromise is about attribute certificates.
package revocation
