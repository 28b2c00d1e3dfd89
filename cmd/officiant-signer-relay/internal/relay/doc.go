// Package relay hands CertificateSigningRequests to an online signer and writes its
// answers back. It has no key and no policy: the signer decides each request.
//
// A request that has no certificate and was neither denied nor failed is handed on as the
// API server has it: signer name, requester, groups, usages, life, and the PEM. "signed"
// becomes the condition Approved, unless somebody has set it, and then the certificate.
// "denied" becomes Denied, or Failed if the request was approved already, since it cannot
// be both. "later", and any other failure, is retried after a growing delay.
//
//   - Writes are guarded by uid and resource version. An object of the same name
//     that was made since, or that somebody has edited meanwhile, is not the requested one.
//   - Nothing approved is lost. Approval and certificate are two updates, and the next relay
//     continues after one that ended between them. The signer gives the same request
//     the same certificate.
//   - A certificate is written after the head of the journal that has it was kept.
//   - Requesters take turns, so one who floods delays only itself. There are few workers, an
//     object in memory is small, and a request too large for any signer is denied.
package relay
