// Package station reads the file that says where each key lives on the machine
// in the room. This page is the format's specification, version 1.
//
// The same plan runs on a rehearsal station and on the real one: a plan names
// keys, a station says which token or KMS holds them.
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
//   - name: an RFC 1123 label; it is shown, and stands in reports.
//   - keys: a URI for each key, by the plan's name of it (root, kubernetes, etcd,
//     front-proxy, later generations such as kubernetes-2, and release). "default"
//     holds for every name that is not there. "pkcs11:" URIs follow RFC 7512
//     (object may be left out: the key's label is then CLUSTER/NAME);
//     "gcpkms:" and "awskms:" URIs name a key of a cloud KMS, or leave it out:
//     a key ring or a Region, in which the key is called after its label.
//   - environment: variables that are set before a PKCS#11 module is loaded. A
//     value is an absolute path, or "inherit" for what people export before the run.
//     PATH, LD_*, GO* and what has libraries load code, such as OPENSSL_CONF, cannot
//     be set. A module gets what its maker says it reads (signer/pkcs11/module), and
//     what is named here. One that is not known gets nothing else where the policy
//     heeds the check "environment", and without that all but loaders and secrets.
//   - evidence: the least grade of evidence accepted here of a key, by its name or
//     as "default": attested, consistent or software. The plan's holds when it is
//     the higher one.
//   - backups: where the clone of a key will be, by the key's name: in a token of
//     its own. A ceremony that makes the key asks for the clone, which the maker's
//     tool makes, and has it answer a challenge.
//   - preflight: what becomes of a check of the room that finds something wrong:
//     record, warn or refuse, by the check's name (ceremony/preflight) or as
//     "default". A check that is not named has its own level; without any
//     preflight, everything is recorded and nothing refused.
//   - timeout: how long a token may take to answer, 1s to 1h; a minute when left
//     out. To make a key, and to type a PIN at a pad, may take five times as long.
//
// # What is refused
//
// A station holds no secret: pin-value, a name in environment that looks like a
// PIN or password, and a pin-source that is not an absolute path, a "file:" URI
// or "fd:N" are refused. A token is never chosen by slot-id or slot-number
// attributes, since slots are numbered anew at each start. Unknown fields, empty values and
// other URI schemes fail with file, line and column.
//
// The station's digest is the SHA-256 of the file; it stands in the transcript.
package station
