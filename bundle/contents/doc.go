// Package contents says what a file of a bundle, or of a node, holds, in the words
// people compare: subject, issuer, serial number, names and dates of a certificate,
// what a kubeconfig points at and trusts, which key a key file has.
//
// Nothing of a file's text is shown, and of a private key nothing but the
// fingerprint of its public half. What cannot be read is said to be unreadable.
package contents
