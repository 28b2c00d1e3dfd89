// Package lint has the rules for what is about to be signed. If there is a finding,
// the token is not asked to sign.
//
// # Certificate
//
// Certificate checks one certificate, signed by a throw-away key, in the context in
// which it is made. Two sets of rules always apply in full.
//
// The rules of RFC 5280 and its companions (RFC 3279, 5480, 5891, 6962, 8813) come
// from zlint. Fatal results, errors and warnings refuse; notices do not. The rules of
// the CA/Browser Forum and of browsers are not run, because they are about public web
// sites. These results are ignored:
//
//   - e_ecdsa_allowed_ku (RFC 8813, 3): keyEncipherment with an ECDSA key. kubeadm
//     and the signers of the CSR API put digitalSignature and keyEncipherment into
//     each leaf, whatever its key, and the bit has no effect with such a key. It is
//     ignored only for leaves.
//   - e_key_usage_and_extended_key_usage_inconsistent (RFC 5280, 4.2.1.12):
//     keyEncipherment with only clientAuth; for the same reason, on leaves.
//     k8s_leaf_key_usage and k8s_expected_usage check both instead.
//   - e_subject_common_name_max_length (RFC 5280, A.1): a common name longer than 64.
//     A kubelet's is "system:node:" and the node's name, and an etcd member's is the
//     node's name, which may have 253 characters. Kubernetes and Go accept them. It
//     is ignored for a leaf whose name is the expected one and ends with its node's
//     name; k8s_kubelet_name and k8s_expected_subject check it instead.
//
// The Kubernetes rules are our own. Each has an identifier ("k8s_…"), a citation and
// a test with a certificate that violates it. They are in tables: everyCert, caRules,
// leafRules, familyRules, expectedRules.
//
// # CRL
//
// CRL checks a revocation list in the same way: first zlint's RFC rules for lists,
// then our own (crlRules, "k8s_crl_…"). The issuer may sign it, its number was not
// used before, its next update is within the issuer's validity, no serial number
// occurs twice, and each has a reason.
//
// # Layout
//
// Layout checks a node's trust files together, for the root-in-client-CA hole. A
// client-CA file holds one certificate, an intermediate of its own family. If it held
// the root, or a bundle, or an authority shared by two files, a leaf of one family
// could log in with another: an etcd client as a cluster user, a kubelet as an etcd
// client, any user as the front proxy, which may impersonate anyone.
package lint
