// Package certfile reads certificates from files that other programs wrote.
//
// PEM reads what Kubernetes reads: every CERTIFICATE block of a text, whatever comes
// before, between and after the blocks (openssl's "Bag Attributes", a private key, a
// revocation list). All also reads what a company's CA sends: one certificate
// in DER, and PKCS #7 in PEM or DER. PKCS #7 is a set without order, and may contain a
// certificate twice and revocation lists as well. All refuses private keys, because its
// callers keep what was sent.
//
// If there is no certificate, the error says what the file contains instead, and which
// command converts it. No error repeats anything of a file except names of
// certificates.
package certfile
