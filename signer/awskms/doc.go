// Package awskms keeps keys in AWS KMS: Open reaches the KMS of one Region, and
// the Store it returns finds, makes and uses asymmetric signing keys there.
//
// # URIs
//
//	awskms:///alias/NAME?region=REGION&endpoint=https://HOST&policy=/abs/policy.json
//	awskms:///KEY-ID
//	awskms:///arn:aws:kms:REGION:ACCOUNT:key/KEY-ID
//	awskms:///
//
// The path names the key; without one, the key's label does: CLUSTER/NAME is
// alias/officiant/CLUSTER/NAME. region and endpoint come before what the SDK's
// standard chain says; credentials come from that chain alone (AWS_PROFILE, AWS_*
// variables, the shared files, SSO, the machine's role). Endpoints are https.
// policy is the key policy of a key that is to be made. Everything else is
// refused, and not repeated in the error.
//
// # Keys
//
// A name is resolved once by DescribeKey; from then on the key is its ARN, and
// an answer from any other key is refused. A key must be the customer's, enabled,
// for SIGN_VERIFY, and of an algorithm of package signer. Create makes the key
// with the recorded id as a tag, reads it back, and gives it its alias last:
// FindID finds a key without one by its tag, and gives it the alias.
//
// Signatures are asked for by digest (MessageType DIGEST), with the algorithm of
// the asked hash, and verified with the key's public key before they are handed
// on. AWS ties a hash to each curve; other hashes are signer.ErrUnsupported.
//
// List shows the customer's keys for signing, those that cannot be used with the
// reason; keys of AWS's own and keys for other purposes are left out.
//
// # Evidence
//
// AWS does not attest keys: what DescribeKey says is AWS's word. A key is
// Consistent when it says that KMS made it (Origin AWS_KMS) for one Region and
// without an end; one that was imported or can be replicated is Unproven. Keys
// of custom key stores are refused.
//
// # Requests
//
// CreateKey and CreateAlias are sent again only when KMS throttles, since nothing
// was done then. Sign is also when KMS fails or the connection breaks: the same
// digest may be signed twice. Both for half a minute, with growing pauses. Reads
// are tried three times within seconds. Each request ends with the caller's
// context, or after half a minute.
package awskms
