// Package relay hands CertificateSigningRequests to an online signer and writes back what
// it answers. It has no key and no policy: what becomes of a request, the signer says.
//
// A request that has no certificate and was neither denied nor failed is handed on as the
// API server has it: signer name, requester, groups, usages, life, and the PEM. "signed"
// becomes the condition Approved, where nobody has set it, and then the certificate;
// "denied" becomes Denied, or Failed where it was approved already, since it cannot be
// both; "later", and whatever else goes wrong, is asked again, after a while that grows.
//
//   - What is written is guarded by uid and resource version. An object of the same name
//     that was made since, or that somebody has edited meanwhile, is not what was asked for.
//   - Nothing approved is lost: approval and certificate are two updates, and a relay that
//     ends between them leaves what the next one finds. The signer gives the same request
//     the same certificate.
//   - A certificate is written after the head of the journal that has it was kept.
//   - Requesters take turns, so that one who floods waits for itself. Workers are few, an
//     object in memory is small, and a request that no signer reads is denied by its size.
package relay
