// Package schedule expands a plan: it reads the plan's inputs, refuses whatever can
// be refused before any key is used, and lists every signature of the ceremony. This
// page is the specification of schedule.txt and of the digest, version 1; package
// plan has that of plan.yaml.
//
// Open makes a series of passes, each with the results of those before it: the
// cluster's facts, what is on record (package history), people, authorities, release
// keys, nodes, their requests, whose names are whose, the service-account pair,
// lists, entries. All errors are found in one go. Requests are opened a few at a
// time, reduced to their keys and released; Ceremony.Input reads an input again by
// its digest.
//
// # Schedule
//
// schedule.txt has a line for every signature, in this order: the roots; the other
// authorities (below an external root, their requests and then the certificates that
// must come back); leaves by authority (kubernetes, etcd, front-proxy), then by the
// plan's order of nodes, then by name; revocation lists by family; bundles by node;
// the transcript. Only what the plan makes has a line.
//
//	# officiant-schedule: v1
//	# plan: demo-1
//	# cluster: demo
//	# sequence: 1
//	# certificates: 17
//	# signatures: 20
//	0001 root signer=root name=root subject="CN=demo root,O=demo" usage=keyCertSign,cRLSign ca=true pathlen=1
//	     duration=175200h key=new:ECDSA-P384 sig=ECDSA-SHA384
//	0005 leaf signer=kubernetes name=cp-1/apiserver subject="CN=kube-apiserver" dns=cp-1,kubernetes ip=10.96.0.1
//	     usage=digitalSignature,keyEncipherment,serverAuth ca=false duration=8760h key=sha256:… sig=ECDSA-SHA256
//	0002 csr signer=kubernetes name="csr kubernetes" subject="CN=kubernetes,O=demo"
//	     usage=keyCertSign,cRLSign,serverAuth,clientAuth ca=true pathlen=0 key=new:ECDSA-P256 sig=ECDSA-SHA256
//	0003 external name=kubernetes subject="CN=kubernetes,O=demo" usage=keyCertSign,cRLSign,serverAuth,clientAuth
//	     ca=true pathlen=0 least=8760h most=87600h key=new:ECDSA-P256
//	0017 crl signer=etcd name="crl etcd" number=2 revoked=5b2f…:keyCompromise duration=2160h sig=ECDSA-SHA256
//	0018 bundle signer=release name="bundle cp-1" request=sha256:… vouched=fingerprint sig=ECDSA-SHA256
//	0020 transcript signer=release name=transcript sig=ECDSA-SHA256
//
// "# left: worker-9" follows the number of signatures if nodes leave for good, and then
// a line for each journal of an online signer that is taken in:
//
//	# journal: journals/signer-1.jsonl line=4713 head=sha256:… since=0 certificates=2030 abandoned=1
//
// since is the last line that an earlier ceremony took in; what is counted comes after. Keys
// come in this order; dns, ip and pathlen are left out if there are none. The subject
// is RFC 2253's text in quotes, and a name with a space in it is in quotes. key is
// the fingerprint of the SubjectPublicKeyInfo, or new:ALGORITHM for a key that the
// ceremony creates. duration counts from the ceremony's NotBefore; for a revocation
// list, it is the time until the next update. revoked is SERIAL:REASON for each
// certificate on the list, sorted by serial number, left out if there is none. number
// increases by one for each abandoned attempt. A csr has no duration, because the
// external root decides it. external, which is not our signature, has neither signer
// nor sig, but least and most. request is the fingerprint of the node's request;
// recipient replaces it if the ceremony creates the node's keys. Lines are not
// wrapped, although some are here. carried follows vouched: the certificates that a
// renewal leaves unchanged. Then comes trusts, the authorities that nodes trust
// beside those that issue. Last is successor, the release key that the bundle
// announces, in the form of key.
//
// # Digest
//
// The digest identifies a ceremony. It is the SHA-256 of what sha256sum prints for
// the plan, every input and the schedule, sorted bytewise. In a ceremony directory,
// with the plan's inputs instead of the dots:
//
//	sha256sum plan.yaml schedule.txt kubeadm.yaml requests/*.req … | LC_ALL=C sort | sha256sum
//
// The plan counts as plan.yaml, whatever its file name was.
package schedule
