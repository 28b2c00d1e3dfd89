// Package bundle writes and checks signed node bundles.
//
// A bundle is what a node gets back from a ceremony: a directory, or the same content
// as one tar file. Format "officiant-bundle: v5", or "v6" where kubelets ask an online signer:
//
//	SHA256SUMS              header, then the SHA-256 of every other file
//	SHA256SUMS.sig          signature over SHA256SUMS by the release key
//	README.txt              for people: what to do on this node, step by step
//	VERIFY.txt              for people: what this is, and how to check it
//	officiant/node.json     kind NodeFacts: cluster, node, fingerprint of its request, "trusted", "adopted"
//	officiant/keys.age      only where the ceremony made the node's keys: sealed, a tar of keys/NAME.key
//	officiant/root.crt      the root, to be pinned, and roots beside it; not placed below /etc/kubernetes
//	officiant/issuers.crt   only below a root that is somebody else's ("externalRoot"): the CAs between, if any
//	officiant/kubeadm.yaml  control-plane nodes: --root-ca-file and, with lists, etcd's --client-crl-file
//	                        and --peer-crl-file, as part of a ClusterConfiguration; of the first node
//	                        also the kubelet's arguments, as part of an InitConfiguration.
//	                        Since v6 what an online signer needs: the API server's arguments,
//	                        the controllers, and of the first node a KubeletConfiguration
//	officiant/join.yaml     nodes that join: what kubeadm join --config is given
//	officiant/rbac.yaml     control-plane nodes: the bindings their certificates rely on, if any
//	officiant/release-next.pub   only where it is announced: the release key of later bundles
//	pki/…, *.conf           the tree as it belongs below /etc/kubernetes
//
// "places" in node.json says where files are if kubeadm's configuration places them
// differently: "certificatesDir" for what is below pki/; "etcdCAFile", "etcdCertFile"
// and "etcdKeyFile", of etcd.external, for pki/etcd/ca.crt and
// pki/apiserver-etcd-client.crt and .key of control-plane nodes. Only folders below
// one of the machine's own are accepted, and none with the system's programs or
// state. "byHand" says that no kubeadm file gave the cluster's facts.
//
// An install places only the tree. The whole bundle stays on the node as
// /var/lib/officiant-node/installed.tar.
//
// The audit rebuilds a bundle byte for byte, years later. So everything in it follows
// from the header, the node's facts and what was signed, and the texts of a format
// never change: other texts are another format. Format "v6" is for clusters with the
// authorities of an online signer ("kubeletServing" and "kubeletClient" in node.json);
// all others are still of "v5". Format "v4" is v5 without
// "places" and "byHand" in node.json: all files below pki/ are below
// /etc/kubernetes/pki, and no README.txt says which component reads which file by
// which flag. Format "v3" is v4 without join.yaml and the kubelet's arguments; in it
// the first node's kubelet.conf names the cluster's endpoint in every release. Format
// "v2" is v3 with a single authority of each family, no revocation list and a single
// key in pki/sa.pub, and announces no release key. Format "v1" is v2 without
// README.txt, kubeadm.yaml and rbac.yaml, with a VERIFY.txt that says a part of it.
// These are no longer written, but still read, checked and rebuilt.
//
// SHA256SUMS is ASCII, each line ended by one newline, in exactly this order:
//
//	# officiant-bundle: v5
//	# cluster: demo
//	# node: cp-1
//	# ceremony: 64 hex digits       the ceremony's digest
//	# transcript: 64 hex digits     hash of the transcript line that closes issuing
//	# sequence: 1                   the ceremony's ordinal along the chain
//	# not-after: 2027-11-23T12:00:00Z
//	# rehearsal: not for use        only in a rehearsal; never accepted by a node
//	64 hex digits, two spaces, path    sorted by path, every file but the first two
//
// Any other spelling is refused. Paths are relative, with forward slashes. Each part
// consists of A-Z a-z 0-9 . _ - and starts with a letter, digit or _. No two paths,
// or folders, differ only in case (sticks with FAT). There are only files and the
// folders that hold them: no links (a file with two names is one), no devices,
// nothing unlisted, and nothing listed but absent. At most 4096 files and 64 MiB.
//
// SHA256SUMS.sig is the plain signature of SHA256SUMS: ECDSA P-256 in ASN.1 DER, or
// RSA PKCS #1 v1.5, both with SHA-256. So this checks a bundle:
//
//	openssl dgst -sha256 -verify release.pub -signature SHA256SUMS.sig SHA256SUMS && sha256sum --strict -c SHA256SUMS
//
// A leaf's file holds the leaf, then its issuing intermediate. A trust file
// (pki/ca.crt, pki/front-proxy-ca.crt, pki/etcd/ca.crt) holds the issuing
// intermediate, then those of the same family that "trusted" in node.json names, by
// the SHA-256 of their certificates, and nothing else, never the root. Usually
// "trusted" names none; during a rollover it names the authority that is added or
// removed. pki/server-ca.crt holds what pki/ca.crt holds, then the roots that
// certified it, for --root-ca-file. officiant/root.crt holds the root above the
// issuing intermediates, then those that "trusted" names. What is only trusted may
// expire before the bundle, since nothing in the bundle depends on it. A kubeconfig's
// CA data is what pki/ca.crt holds. It lacks its private key, which the node has.
// pki/kubelet-serving-ca.crt and pki/kubelet-client-ca.crt, on control-plane nodes of
// clusters with an online signer, are trust files, too; pki/client-ca.crt is pki/ca.crt
// followed by pki/kubelet-client-ca.crt. Their authorities may end before the bundle.
// pki/sa.key comes sealed to the node (ASCII-armored age) as pki/sa.key.age,
// pki/sa.pub in the clear: the public half first, which is all that kubeadm reads,
// then the keys of the pair that signs after it and of those that signed before.
// pki/etcd/ca.crl, on etcd nodes of a cluster with revocation lists, is the etcd
// authority's newest, in DER. A bundle contains no private key in the clear, and is
// always complete. Nothing in it is secret, so all modes are 0644; the modes on the
// node are kubepki's.
//
// While a cluster that kubeadm made is adopted, "adopted" in node.json names, by
// family and SHA-256, the self-signed authority: the only self-signed certificate
// that a trust file may hold. A certificate that it issued is alone in its file, as
// with kubeadm, and is compared only with the node (kubepki.NotOf). A node accepts
// such a bundle only if its own trust file already holds that certificate.
//
// The tar is a function of the directory: POSIX ustar (pax if a name is too long),
// entries NODE/PATH sorted by path with SHA256SUMS and SHA256SUMS.sig last, only
// regular files, mode 0644, owner 0, time 0. Any other archive of the same files is
// refused.
package bundle
