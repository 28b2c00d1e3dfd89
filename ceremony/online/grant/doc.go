// Package grant reads the file that says what an online signer may sign. This page is
// the format's specification, version 1.
//
// A grant is JSON, its fields in the order below, and a signature beside it in a file
// of the same name with .sig: the release key's over SHA-256 of the file, as over a
// bundle's SHA256SUMS, so that openssl checks it:
//
//	openssl dgst -sha256 -verify release.pub -signature grant.json.sig grant.json
//
// # Fields
//
//   - apiVersion: officiant/v1; kind: Grant; cluster: the cluster's name.
//   - sequence: from 1; a signer takes no grant of a lower one than it had.
//   - notBefore, notAfter: when it holds, in UTC and whole seconds. Outside nothing
//     is signed.
//   - journalKey: SHA-256 of the DER SubjectPublicKeyInfo of the key that signs the
//     heads of the journal.
//   - authorities: who signs for which signer name of the CertificateSigningRequest
//     API: signerName, name (the key's, in the station), certificate (PEM) and life,
//     the longest of a certificate, as Go writes durations: 24h0m0s.
//   - keyAlgorithms: of keys that may be certified.
//   - reserved: dnsNames and networks that no node has: those of API servers, their
//     load balancers and services.
//   - refusedKeys: SHA-256 of public keys that are never certified: of authorities,
//     of the release key, and of certificates that are revoked. May be left out.
//   - nodes: name, roles, dnsNames, ipAddresses, signaturesPerDay, and bootstrap, the
//     user who may ask once for the node's first client certificate; left out, only
//     the node itself asks.
//   - users: who gets client certificates of kubernetes.io/kube-apiserver-client:
//     name, groups, requester (the user who asks) and signaturesPerDay.
//
// # What is refused
//
// Every other spelling: unknown, doubled and reordered fields, null, and numbers and
// times written otherwise. Nodes and users that share a name; a DNS name or address
// that two nodes share, or that is reserved; names of Kubernetes' own services; users
// and groups whose names begin with system: or kubeadm:; an authority that is not a
// CA, or that may issue CAs, or that is both for clients and for servers; a life above
// a year; a key of the grant's own authorities for the journal; more than 20,000 nodes.
package grant
