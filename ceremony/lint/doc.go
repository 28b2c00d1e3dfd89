// Package lint holds the rules for what is about to be signed. A finding means
// that the token is not asked.
//
// # Certificate
//
// Certificate looks at one certificate, signed by a throw-away key, and at the
// context it is made in. Two sets of rules apply, always and completely.
//
// The rules of RFC 5280 and its companions (RFC 3279, 5480, 5891, 6962, 8813)
// come from zlint. A fatal result, an error and a warning refuse; a notice does
// not. Those of the CA/Browser Forum and of browsers are not run: they are about
// public web sites. Results that are passed over, and why:
//
//   - e_ecdsa_allowed_ku (RFC 8813, 3): keyEncipherment with an ECDSA key.
//     kubeadm and the signers of the CSR API put digitalSignature and
//     keyEncipherment into each leaf whatever its key is, and the bit does
//     nothing with such a key. It is passed over for leaves alone.
//   - e_key_usage_and_extended_key_usage_inconsistent (RFC 5280, 4.2.1.12):
//     keyEncipherment with clientAuth alone; for the same reason, on leaves.
//     k8s_leaf_key_usage and k8s_expected_usage judge both instead.
//   - e_subject_common_name_max_length (RFC 5280, A.1): a common name longer
//     than 64. A kubelet's is "system:node:" and the node's name, and an etcd
//     member's is the node's name, which may have 253 characters; Kubernetes
//     and Go take them. It is passed over for a leaf whose name is the expected
//     one and ends with its node's name; k8s_kubelet_name and
//     k8s_expected_subject judge it instead.
//
// The rules of Kubernetes are ours. Each has an identifier ("k8s_…"), a citation
// and a test with a certificate that breaks it. They stand in tables: everyCert,
// caRules, leafRules, familyRules, expectedRules.
//
// # CRL
//
// CRL looks at a revocation list in the same way: zlint's rules of the RFCs about
// such lists, then ours (crlRules, "k8s_crl_…"): that the issuer may sign it, that
// its number was not used before, that there is a next update while the issuer is
// valid, that no serial number comes twice, and that each has a reason.
//
// # Layout
//
// Layout looks at the files of a node that say whom to trust, taken together:
// the root-in-client-CA hole. A client-CA file holds one certificate, an
// intermediate of its own family. With the root in it, or a bundle, or an
// authority shared by two of them, a leaf of one family logs in with another:
// an etcd client as a cluster user, a kubelet as an etcd client, any user as
// the front proxy, who may name whomever it likes.
package lint
