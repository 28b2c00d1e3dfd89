// Package certfile reads certificates out of files that other programs wrote.
//
// PEM reads what Kubernetes reads: every block CERTIFICATE of a text, whatever stands
// before, between and behind (openssl's "Bag Attributes", a private key, a list of
// revoked certificates). All reads what a company's CA sends as well: one certificate
// in DER, and PKCS #7 in PEM or DER, which is a set with no order, may hold a
// certificate twice and revocation lists beside. All refuses private keys: who reads
// with it keeps what was sent.
//
// Where there is no certificate the error says what the file holds in its place, and
// the command that makes of it what is read. No error repeats anything of a file but
// names of certificates.
package certfile
