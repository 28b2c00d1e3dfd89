// Package endpoint asks an online signer, in the format that the signer's own package
// ceremony/online/endpoint specifies. The format is restated here, and a test keeps the
// two equal: the signer's package imports policy, and this program links none.
//
// A Client asks over a Unix socket, or with mutual TLS 1.3. It reads certificate, key and
// authority anew for each connection, so changed files need no restart.
//
// An answer is checked before it is used: a known state, a well-formed head, and a
// certificate for the request's key. Any other answer is an error, and decides nothing.
package endpoint
