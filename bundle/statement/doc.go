// Package statement holds a node's report about itself, signed by the node's own key.
//
// A file of kind SignedNodeStatus is JSON:
//
//	apiVersion   officiant/v1
//	kind         SignedNodeStatus
//	statement    the statement, a JSON text of its own, as a string
//	certificate  PEM: the certificate of the key that signs
//	signature    base64: ECDSA (ASN.1) or RSA PKCS #1 v1.5, over SHA-256 of
//	             "officiant node status v1", a newline, and the statement
//
// The key is that of kubelet.conf, or, on a node without a kubelet, of etcd's server.
// The statement says when it was made. It has the sequence and the SHA-256 of SHA256SUMS
// of the bundle in place, the result of the last sync, and the node's whole status. So it
// refers to one bundle at one time, and cannot be another node's.
//
// Check compares it with the bundle that the ceremony made: the certificate must be
// that bundle's. A statement older than its reader allows counts as absent.
package statement
