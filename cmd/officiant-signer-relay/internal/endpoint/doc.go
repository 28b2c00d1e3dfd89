// Package endpoint asks an online signer, by the form that the signer's own package
// ceremony/online/endpoint specifies. It is restated here, and a test holds the two
// together: the signer's has policy behind it, and this program links none.
//
// A Client asks over a Unix socket, or with mutual TLS 1.3; certificate, key and authority
// are read anew for each connection, so that files that change need no restart.
//
// What an answer says of itself is checked before anybody goes by it: a state there is, a
// head that is one, and a certificate whose key is the request's. An answer that is not
// that is an error, and nothing is decided by it.
package endpoint
