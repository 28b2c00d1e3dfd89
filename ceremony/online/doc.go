// Package online signs certificates outside of a ceremony, within a grant, and records
// each before it is signed.
//
// A Service answers each requester one request at a time: Ask always returns an Answer.
// Requests wait in a queue that takes one from each requester in turn, so that
// no requester starves another. Some are under way at once, a few for each worker:
//
//   - Drafters hold a request against the grant (policy), and lint what would be signed
//     with a throw-away key (ceremony/issue).
//   - One goroutine, Run, holds it against the journal, and puts intents and results on
//     disk. What came while the disk was busy shares the next sync.
//   - Signers have the keys sign what has its intent on disk.
//
// A certificate is handed out when its result is on disk.
//
// If a request cannot be signed now but may be later, the answer is Later: the token is
// away, the disk is full, the clock is behind, the grant has expired, or the day's
// signatures are used up. Nothing is denied for these reasons, and the requester asks
// again. The same request then gets the same certificate, if one was signed.
//
// Keys come from Tokens, which opens them when they are needed and again after
// they were away. A refused PIN is not tried again.
package online
