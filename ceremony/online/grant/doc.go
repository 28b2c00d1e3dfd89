// Package grant reads the file that says what an online signer may sign. This page is
// the format's specification, version 1.
//
// A grant is JSON, with its fields in the order below. Its signature is in a file of
// the same name with .sig: the release key's over SHA-256 of the file, as over a
// bundle's SHA256SUMS, so that openssl can check it:
//
//	openssl dgst -sha256 -verify release.pub -signature grant.json.sig grant.json
//
// # Fields
//
//   - apiVersion: officiant/v1; kind: Grant; cluster: the cluster's name.
//   - sequence: from 1; a signer accepts no grant with a lower one than it has had.
//   - notBefore, notAfter: when it is in force, in UTC and whole seconds. Outside
//     this time, nothing is signed.
//   - journalKey: SHA-256 of the DER SubjectPublicKeyInfo of the key that signs the
//     heads of the journal.
//   - authorities: who signs for which signer name of the CertificateSigningRequest
//     API: signerName, name (the key's, in the station), certificate (PEM) and life,
//     the longest lifetime of a certificate, as Go writes durations: 24h0m0s.
//   - keyAlgorithms: of keys that may be certified.
//   - reserved: dnsNames and networks that no node may have: those of API servers,
//     their load balancers and services.
//   - refusedKeys: SHA-256 of public keys that are never certified: those of
//     authorities, of the release key, and of revoked certificates. Optional.
//   - nodes: name, roles, dnsNames, ipAddresses, signaturesPerDay, and bootstrap, the
//     user who may ask once for the node's first client certificate. Without
//     bootstrap, only the node itself may ask.
//   - users: who gets client certificates of kubernetes.io/kube-apiserver-client:
//     name, groups, requester (the user who asks) and signaturesPerDay.
//
// # What is refused
//
// Every other spelling: unknown, doubled and reordered fields, null, and other
// spellings of numbers and times. Nodes and users that share a name; a DNS name or
// address that two nodes share, or that is reserved; names of Kubernetes' own
// services; users and groups whose names begin with system: or kubeadm:; an authority
// that is not a CA, that may issue CAs, or that is for both clients and servers; a
// lifetime above a year; a key of the grant's own authorities for the journal; more
// than 20,000 nodes.
package grant
