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
// The path names the key. Without a path, the key's label does: CLUSTER/NAME is
// alias/officiant/CLUSTER/NAME. region and endpoint take precedence over the SDK's
// standard chain. Credentials come from that chain alone (AWS_PROFILE, AWS_*
// variables, the shared files, SSO, the machine's role). Endpoints are https.
// policy is the key policy of a new key. Everything else is
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
// Signatures are requested by digest (MessageType DIGEST), with the algorithm of
// the requested hash, and verified with the key's public key before they are
// returned. AWS ties a hash to each curve; other hashes are signer.ErrUnsupported.
//
// List shows the customer's keys for signing. For keys that cannot be used it gives the
// reason. It leaves out keys that AWS owns and keys for other purposes.
//
// # Evidence
//
// AWS does not attest keys: what DescribeKey says is AWS's word. A key is
// Consistent if DescribeKey says that KMS made it (Origin AWS_KMS) for one Region and
// without an end. A key that was imported or can be replicated is Unproven. Keys
// of custom key stores are refused.
//
// # Requests
//
// CreateKey and CreateAlias are sent again only when KMS throttles, since then nothing
// was done. Sign is also sent again when KMS fails or the connection breaks: the same
// digest may be signed twice. Both retry for half a minute, with growing pauses. Reads
// are tried three times within seconds. Each request ends with the caller's
// context, or after half a minute.
package awskms
