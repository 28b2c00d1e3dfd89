// Package online signs certificates outside of a ceremony, within a grant, and records
// each before it is signed.
//
// A Service answers each requester one request at a time: Ask always returns an Answer.
// Requests wait in a queue that takes one from each requester in turn, so that
// no requester starves another. One goroutine, Run, takes them in batches. It checks each
// against the grant (policy) and the journal, lints it with a throw-away key
// (ceremony/issue), puts all intents on disk, has the keys sign, puts all results on
// disk, and only then answers.
//
// If a request cannot be signed now but may be later, the answer is Later: the token is
// away, the disk is full, the clock is behind, the grant has expired, or the day's
// signatures are used up. Nothing is denied for these reasons, and the requester asks
// again. The same request then gets the same certificate, if one was signed.
//
// Keys come from Tokens, which opens them when they are needed and again after
// they were away. A refused PIN is not tried again.
package online
