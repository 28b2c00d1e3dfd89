// Package contents describes a file of a bundle, or of a node, in the words
// people compare: subject, issuer, serial number, names and dates of a certificate,
// what a kubeconfig connects to and trusts, which key a key file has.
//
// It shows nothing of a file's text, and of a private key only the fingerprint of its
// public half. It reports files that it cannot read as unreadable.
package contents
