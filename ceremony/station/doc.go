// Package station reads the file that says where each key is, for the machine in the
// room. This page is the format's specification, version 1.
//
// The same plan runs on a rehearsal station and on the real one: a plan names keys,
// and a station says which token or KMS holds them.
//
//	apiVersion: officiant/v1
//	kind: Station
//	name: room-1
//	keys:
//	  root: "pkcs11:token=root;serial=0011?module-path=/usr/lib/softhsm/libsofthsm2.so"
//	  default: "pkcs11:token=issuing;serial=0012?module-path=/usr/lib/softhsm/libsofthsm2.so"
//	environment:
//	  SOFTHSM2_CONF: /var/lib/station/softhsm2.conf
//	evidence:
//	  root: consistent
//	backups:
//	  root: "pkcs11:token=root-clone;serial=0013?module-path=/usr/lib/softhsm/libsofthsm2.so"
//	preflight:
//	  network: refuse
//	  swap: warn
//	timeout: 30s
//
// # Fields
//
//   - name: an RFC 1123 label. It is shown, and appears in reports.
//   - keys: a URI for each key, by its name in the plan (root, kubernetes, etcd,
//     front-proxy, kubelet-serving, kubelet-client, later generations such as
//     kubernetes-2, and release). "default" applies to every name that is not
//     listed. "pkcs11:" URIs follow RFC 7512
//     (object may be left out: the key's label is then CLUSTER/NAME). "gcpkms:" and
//     "awskms:" URIs name a key of a cloud KMS, or only a key ring or a Region, in
//     which the key is named after its label.
//   - environment: variables to set before a PKCS#11 module is loaded. A value is an
//     absolute path, or "inherit" for a variable that is exported before the run.
//     PATH, LD_*, GO* and variables that make libraries load code, such as
//     OPENSSL_CONF, cannot be set. A module gets what its vendor says it reads
//     (signer/pkcs11/module), and what is named here. If the policy uses the check
//     "environment", an unknown module gets nothing else. Otherwise it gets
//     everything but loader variables and secrets.
//   - evidence: the lowest grade of evidence accepted here for a key, by its name or
//     as "default": attested, consistent or software. If the plan's is higher, the
//     plan's applies.
//   - backups: where the clone of a key will be, by the key's name, in a separate
//     token. A ceremony that creates the key asks for the clone, which the vendor's
//     tool makes, and challenges it.
//   - preflight: what happens when a check of the room finds a problem: record, warn
//     or refuse, by the check's name (ceremony/preflight) or as "default". A check
//     that is not named has its default level. Without any preflight, everything is
//     recorded and nothing refused.
//   - timeout: how long a token may take to answer, 1s to 1h; the default is a
//     minute. Creating a key, and typing a PIN at a pad, may take five times as long.
//
// # What is refused
//
// A station contains no secret: pin-value, a name in environment that looks like a
// PIN or password, and a pin-source or so-pin-source that is not an absolute path, a "file:" URI or
// "fd:N" are refused. A token is never selected by slot-id or slot-number attributes,
// since slots are renumbered at each start. Unknown fields, empty values and other
// URI schemes fail with file, line and column.
//
// The station's digest is the SHA-256 of the file. It is in the transcript.
package station
