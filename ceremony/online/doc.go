// Package online signs certificates outside of a ceremony, within a grant, and records
// each before it is signed.
//
// A Service answers one request at a time to each who asks: Ask gives an Answer, whatever
// happens. Requests wait in a queue that takes one of each requester in turn, so that
// nobody starves another. One goroutine, Run, takes them in batches: it holds each
// against the grant (policy) and the journal, lints it with a throw-away key
// (ceremony/issue), puts all intents on disk, has the keys sign, puts all results on
// disk, and only then answers.
//
// What cannot be signed now and may be later (the token is away, the disk is full, the
// clock is behind, the grant is over, the day's signatures are spent) is answered Later:
// nothing is denied for it, and whoever asked asks again. The same request then gets the
// same certificate, where one was signed.
//
// Keys are had through Tokens, which opens them when they are needed and again after
// they were away. A PIN that was refused is not tried again.
package online
