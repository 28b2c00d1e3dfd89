// Package gcpkms keeps keys in Google Cloud KMS: Open connects to one key ring,
// and the Store it returns finds, makes and uses keys in it.
//
// # URIs
//
//	gcpkms://projects/P/locations/L/keyRings/R/cryptoKeys/K/cryptoKeyVersions/N
//	gcpkms://projects/P/locations/L/keyRings/R?protection=HSM&endpoint=HOST:PORT
//
// A URI of an existing key has its version: there is no "newest" one. To
// make a key, the URI ends at the key ring or at the crypto key. If it ends at the key
// ring, the key's name comes from its label: CLUSTER-NAME for CLUSTER/NAME. Such a URI
// also finds what Create made by it: version 1 of a key that carries an
// officiant-id. Two labels may give one name ("a-b/c", "a/b-c"); the label
// officiant-label tells them apart, and the second is refused.
//
// protection is HSM, the default, or SOFTWARE; a key of another level is
// refused. endpoint is a name under googleapis.com, since credentials are sent
// to it, or a loopback address, which is used in the clear and without
// credentials (tests). attestation-roots is the absolute path of a PEM file with
// the roots that attestations must lead to, in place of the built-in ones. All
// other attributes are refused.
//
// Credentials come only from Google's standard chain.
//
// # Calls
//
// Each call ends within a minute. A signature that fails temporarily, and any call that
// is throttled after the key ring was found, is retried for a minute with
// growing pauses. Any other failure is reported, with the next step. Answers must be about
// the requested resource. CRC32C is checked in both directions (digest, signature, PEM). A
// signature is verified with the public key before it is returned. Create asks for key and
// version 1 in one call, after the key ring if there is none, and waits up to
// five minutes for Google to generate the key. Its id is the key's label
// officiant-id.
//
// # Evidence
//
// Info.Attributes holds what Google says of the key. The grade is Unproven for
// a key that was imported, whose generation Google does not date, or that may
// be wrapped. It is Software for the level SOFTWARE, and for every key reached in
// the clear, where nothing shows that Google answers. An HSM key is Attested by
// its HSM's statement: about this public key, made inside, not extractable, and
// signed by a partition that the HSM's maker and Google both certify. It is
// Consistent if only the roots are unknown, and Unproven without a valid
// statement. Info.Attributes keeps the statement and its certificates
// (attestation.content and following), so that others can verify them later.
//
// # Algorithms
//
// ECDSA P-256 and P-384, RSA PKCS #1 v1.5 of 2048, 3072 and 4096 bits over
// SHA-256. In Google Cloud KMS hash and padding belong to the key, so another
// hash and RSA-PSS are signer.ErrUnsupported.
package gcpkms
