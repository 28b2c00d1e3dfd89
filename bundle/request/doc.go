// Package request makes and reads node requests.
//
// A request is what a node sends to a ceremony: a certificate signing request (CSR)
// for every certificate that its roles need, the age recipient to which its secrets
// are sealed, and the facts that it claims. It contains no secret; the private keys
// and the age identity stay on the node. It is one file, NODE.req, a tar of
//
//	adopted/…        of a cluster that is adopted: what the node has; see Adoption
//	csr/NAME.csr     PKCS #10 in PEM; NAME is "apiserver", "etcd/server", "admin.conf", …
//	host.sig         perhaps: the SSH host key's signature of request.json, as ssh-keygen -Y writes it
//	previous.crt     of a renewal: a certificate the node has now, then its issuer; PEM
//	previous.sig     the signature of request.json by that certificate's key, as in sig/
//	recipient.txt    the recipient ("age1pq1… age1…", "age1…", or an SSH host key "ssh-ed25519 AAAA…") and a newline
//	request.json     what is claimed, and the SHA-256 of each file above
//	sig/NAME.sig     base64 and a newline: the signature of request.json by the key of csr/NAME.csr
//
// request.json, kind Request of officiant/v1:
//
//	{
//	  "apiVersion": "officiant/v1",
//	  "kind": "Request",
//	  "cluster": {"name": "demo", "kubernetesVersion": "v1.37.2", …},
//	  "node": {"name": "cp-1", "roles": ["control-plane", "etcd"], "address": "10.0.0.11", "first": true},
//	  "created": "2026-11-23T12:00:00Z",
//	  "recipient": {"file": "recipient.txt", "sha256": "64 hex digits"},
//	  "csrs": [{"name": "apiserver", "file": "csr/apiserver.csr", "sha256": "…", "spki": "…"}, …],
//	  "previous": {"name": "kubelet.conf", "file": "previous.crt", "sha256": "…"},
//	  "adopted": {"authorities": [{"name": "kubernetes", "file": …, "sha256": …}, …], "leaves": […], "account": […]}
//	}
//
// Cluster and node are kubepki's types; spki is the SHA-256 of the DER public
// key. The file is indented by two spaces, printable ASCII without backslashes,
// csrs sorted by name. The tar is POSIX ustar: sorted regular files, mode 0644,
// owner 0, time 0, two zero blocks at the end. Any other spelling of the same is
// refused. Signatures are ECDSA in ASN.1 DER or RSA PKCS #1 v1.5, the digest
// SHA-256 in both. The file has at most 1 MiB.
//
// # What holds it together
//
// The fingerprint of a request is the SHA-256 of request.json:
//
//	tar xOf cp-1.req request.json | sha256sum
//
// It covers the whole request: request.json has the hash of every other file but the
// signatures, and each CSR's key signs it. This proves that one party holds all the
// keys and wants them certified together with this recipient. So no CSR and no
// recipient can be exchanged. Anyone who makes a whole request of their own gets
// another fingerprint; that is why people compare it over another channel.
//
// A renewal needs no comparison. The node signs with the key of a certificate it has
// from the cluster's last ceremony, and the plan, which names that ceremony, knows
// whose certificate it is. Only certificates whose keys never leave their node vouch:
// kubelet.conf's or, on a node without kubelet, etcd/server's or etcd/peer's. Fleets
// have SSH host keys, which a known_hosts file lists; their signatures are for the
// namespace officiant-request. request.json does not list host.sig. Parse checks the
// signatures; the plan has to find out whose keys they are.
//
// # Adoption
//
// A node of an existing cluster keeps its keys and sends what it has:
// adopted/leaf/NAME.crt, its certificate for the key of csr/NAME.csr;
// adopted/authority/FAMILY.crt, the self-signed authority of each trust file; and on
// a control-plane node adopted/sa.key.age, its service-account key sealed to its own
// recipient, and adopted/sa.pub. Authorities' private keys are not included.
//
// # What is taken from it
//
// Public keys and the recipient. A CSR for a certificate beyond Kubernetes' own has
// no subject at all. Subjects, names, usages and the CA flag of a certificate come
// from the plan; the claims are only compared with it. Parse refuses what can never
// be right: a CSR that asks to be a CA, a broken signature, a weak key (RSA under
// 2048 bits, a curve other than P-256, P-384, P-521), one key in two CSRs.
package request
