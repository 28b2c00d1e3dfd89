// Package plan is the document: plan.yaml as people review and approve it. It is
// read strictly, each mistake with file, line and column, and written with
// comments for those who review it. What the document means, with the files it
// names, package schedule says. This page is the specification of plan.yaml,
// version 1.
//
// # Plan
//
// A plan is one YAML document without anchors, aliases, tags, empty values and
// characters that cannot be seen. Unknown fields fail with file, line and column.
//
//	apiVersion: officiant/v1
//	kind: Plan
//	name: demo-1                      # RFC 1123 label; typed to confirm the run
//	cluster:                          # what is said here wins over the kubeadm file
//	  kubeadm: kubeadm.yaml           # input: ClusterConfiguration, or the ConfigMap that holds it
//	  name: demo                      # token labels are demo/root, …; CA subjects carry O=demo
//	  kubernetesVersion: v1.37.2      # required, here or there
//	  naming: kubeadm                 # or docs
//	  controlPlaneEndpoint: api.demo.test:6443
//	  serviceSubnet: 10.96.0.0/12
//	  dnsDomain: cluster.local
//	  certSANs: [api.example.com]     # also etcdServerCertSANs, etcdPeerCertSANs
//	  externalEtcd: false
//	  overrides:                      # by the documentation's name of a certificate
//	    kube-apiserver-kubelet-client: {organization: ["system:masters"], allow: ["system:masters"]}
//	    kube-apiserver: {commonName: kube-apiserver, extraSANs: [10.0.0.9]}
//	  extra:                          # beyond Kubernetes' own; also under a node, without roles
//	    - name: etcd/monitoring       # what a node asks for; NAME.conf is a kubeconfig
//	      roles: [etcd]               # default: all nodes
//	      profile: client             # or serving, with sans
//	      authority: etcd             # default: kubernetes
//	      subject: {commonName: prometheus}
//	      allow: []                   # names of others in it that are meant
//	previous: none                    # or a list: the heads this ceremony continues
//	authorities:
//	  - name: root                    # RFC 1123 label; not release, transcript, default
//	    family: root                  # root, kubernetes, etcd, front-proxy; default: name
//	    key: {create: ECDSA-P384}     # or {existing: SPKI-FINGERPRINT}, or no key
//	    validity: 20y                 # of a certificate to be made: root 20y, others 10y
//	    subject: {commonName: demo root, organization: [demo]}
//	    evidence: software            # least grade: attested, consistent, software, unproven
//	  - name: kubernetes
//	    key: {existing: "9f0c…"}      # left out when the schedule does not need it
//	    certificate: previous/demo-1/kubernetes.crt
//	    external: true                # a root whose key others have: a certificate, no key
//	    issuers: corp-issuing.crt     # input: CAs between it and authorities that exist
//	    least: 2y                     # below an external root: what is left of a certificate when it comes back
//	  - name: kubernetes-2            # a later generation; see Generations
//	    family: kubernetes
//	    use: trust                    # default: issue
//	    key: {create: ECDSA-P256}
//	    root: root                    # which root certifies it; default: the one that issues
//	  - name: kubernetes-former       # in place of kubernetes, as the one that issues; see Adoption
//	    family: kubernetes
//	    adopted: true                 # kubeadm made it, with its key on disks
//	    certificate: adopted/kubernetes.crt
//	    evidence: software
//	release:                          # ECDSA-P256 or RSA; no authority's key
//	  name: release                   # default; a later one has another name, as release-2
//	  key: {create: ECDSA-P256}       # or {existing: …} together with public
//	  evidence: software
//	  successor: {name: release-2, key: {create: ECDSA-P256}, evidence: software}   # announced in every bundle
//	  lost: "9f0c…"                   # the last ceremony's key, when this one was not announced
//	serviceAccount: {create: ECDSA-P256}   # or sealed and public, carried over; then also
//	                                       # next: {create: …}, or {sealed, public}, and former: [sa.pub]
//	leaves: {validity: 1y}            # default: the kubeadm file's, else 1y
//	knownHosts: known_hosts           # input: which SSH host key is whose
//	nodes:
//	  - name: cp-1
//	    host: cp-1.lab.test           # its name there; default: name
//	    roles: [control-plane, etcd]  # or worker
//	    address: 10.0.0.11
//	    bindPort: 6443
//	    first: true                   # the one that runs kubeadm init
//	    request: requests/cp-1.req
//	    renew: [apiserver]            # made anew for the keys they have; see Renewal
//	    sealed: requests/cp-1.sa.key.age   # from a peer; only who cannot open serviceAccount.sealed
//	    fingerprint: "51d0…"          # of the request, received by another way; see Vouching
//	  - name: appliance-1             # nothing can be run on it: the ceremony makes its keys
//	    roles: [worker]
//	    keys: {create: ECDSA-P256, recipient: "age1…"}   # sealed to it; in place of a request
//
//	crls:                             # revocation lists to be signed
//	  - authority: etcd
//	    nextUpdate: 90d               # when there will be another, from the ceremony's NotBefore
//	left: [worker-9]                  # nodes that are gone for good; see Leaving
//	revocations:                      # all that is revoked; see Revocation
//	  - serial: "5b2f…"               # hex
//	    authority: etcd               # who signed the certificate, and signs the list
//	    reason: keyCompromise         # package revocation lists them
//	    comment: cp-3 was stolen      # for people; in no list
//
//	approvals: 2                      # how many of people have to approve
//	people:                           # absent: nobody has to
//	  - name: alice                   # lower-case letters, digits, dashes
//	    role: officer                 # administrator, officer; witness: does not approve
//	    key: "ssh-ed25519 AAAA…"      # a line of a .pub file; package approval has the rest
//
// Where the cluster's previous ceremony has other people on record, or another
// threshold, enough of those have to approve as well.
//
// A predecessor is {cluster, sequence, head, transcript, earlier}: transcript is
// an input, head the SHA-256 of its last line; earlier lists the transcripts before
// it, newest first, each the one that the next names in its first line. sequence counts along the cluster's chain:
// one more than this cluster's previous ceremony, else 1.
//
// Where the records of the cluster's ceremonies are gone, previous is
//
//	previous:
//	  lost:
//	    sequence: 4                   # the highest that any node has seen
//	    reason: the safe burned       # goes on record; one line
//
// and this ceremony's sequence is one more. Nothing is taken over but keys and
// authorities' certificates: no renew, no sealed service-account pair, no authority
// that is adopted.
//
// A previous ceremony of another cluster is the root's last one, and its record has
// the root's key, if this one opens it; of its authorities no subject and no key
// comes again. Each existing key that the schedule opens, an authority's or the
// release key, is on one of these records, of whichever cluster, or its record is
// lost; of another cluster's ceremony that opened one last, enough people have to
// approve as well. One that a record has as software is no better here. A key that is
// made has a name that no ceremony of the cluster gave to a key before. The sequence of
// lost records is at most a million.
//
// Below an external root, authorities that are created ask for their certificates:
// validity is the most these may be valid, least (default: as long as leaves) what
// has to be left. Package receipt says what is accepted.
//
// Durations are "1y" (365 days), "90d" or Go's ("8760h"), from 1h to 100y.
//
// # Names that belong to others
//
// An extra serving certificate has no name or address of another node (of the plan
// or on record), of the API server, of etcd or of loopback, and no address of
// services, in any spelling and under no wildcard. Services' names, and those that
// begin with another node's, stand under allow. So do, under overrides, subjects
// that are Kubernetes' own or another component's beyond what the certificate has
// anyhow, and extraSANs of nodes without that role. Of a ceremony that was held
// before this was asked, they are warnings.
//
// # Inputs
//
// Files a plan names lie below its folder: slashes, no "..", names of letters,
// digits and ._@+=,- that begin with a letter, a digit or one of _@+. The first
// name is none of the ceremony directory's own: plan.yaml schedule.txt approvals
// transcript.jsonl transcript.sig witnesses release.pub authorities bundles
// report.html secrets; and csrs, where the root is external.
//
// # Vouching
//
// Whoever gets a request of his own into a ceremony gets a node's certificates.
// So each request is vouched for, and the schedule says how: by "fingerprint",
// which people compared; else by "previous", the signature by the key of the
// certificate that the cluster's last ceremony gave this very node. It counts
// while the certificate is valid, for the roles the node had then. Else by
// "host-key": an SSH signature by the key that the known_hosts file has for the
// node's name (or its host). Hashed names are read; patterns, certification
// authorities and revoked keys vouch for none, nor does one key for two nodes,
// whether it signed for both or the file has it for both. Of a node that a ceremony
// named here knew, it vouches for no role that is new.
// Neither key vouches for a request made before the last ceremony began, or for a time
// more than a day to come, nor for a
// node one of whose present keys is revoked as compromised, here or on any list; nor
// does a certificate that is revoked, for whatever reason, or whose authority is, or
// whose node has left.
//
// A fourth voucher, "record", is for renewal alone.
//
// # Renewal
//
// A node with renew gets these certificates anew, and its bundle keeps the others:
// the newest of each name on this cluster's previous records, signed by the present
// authority, valid, and still what the plan asks for. request is the one it has its
// certificates by: each key in it has to be that of the certificate on record. It
// has no fingerprint, and may ask for names the plan does not give any more. Nodes
// that need nothing are left out of a plan; one with an empty renew gets a bundle
// of what it has, with what else the ceremony changes. The record does not vouch for the
// recipient in that request: for a new service-account pair, control-plane nodes
// send new ones.
//
// # Succession
//
// sa.pub holds the public key of the service-account pair in use, then the next
// one's, then the former ones. A pair signs only when the last ceremony had it in
// use or as its next; the one that signed until then has to be among former, and
// only such are, or those that sa.pub kept. A created pair signs at once and ends
// every token before; it has neither next nor former.
//
// The release key is the last ceremony's, or the successor that it announced; any
// other has to name the last one's as lost. A successor is created in the ceremony
// that announces it first, and exists in those that announce it again.
//
// # Generations
//
// One authority of each family issues. Others of it have "use: trust": nodes trust
// them after it, in the plan's order, and they sign no leaf. A key of theirs is
// opened only where it is made, or certifies. An intermediate that issues is below
// the root that issues; one that is trusted, below any root of the plan. It may have
// ended. Beside another of its family, an authority's default commonName is its
// name. Unless the ceremony is the cluster's first, one that is made here does not
// issue while another of its family is trusted: no node trusts it yet. What is
// carried over is by the authority that issues, so the old one cannot go before
// leaves are by the new.
//
// With renews in place of certificate, an authority gets another certificate for
// the key it has (key: {existing: …}): the subject is that of renews, and it ends no
// sooner. What it issued stays valid. Its own key is not opened for that; a root's is.
//
// # Revocation
//
// Which authority's list a certificate is on, its issuer says: an intermediate's is
// the root's. Each list replaces the former one of its authority, so what that
// revokes has to be under revocations again, for the same reason, until a list made
// after the certificate's end has had it (RFC 5280, 3.3). The number is one more than
// that of the newest list on the previous ceremonies' records, or 1: every record has the
// newest list of each authority, made there or carried over. What is new is revoked
// as of the ceremony's NotBefore. A serial number that no record named here has is
// refused, as is a root's own; so is a bundle with a revoked certificate, a new
// certificate for a key that was revoked as compromised, and a revoked authority
// that signs. A list with nothing on it is allowed: with one of the etcd family,
// here or on a previous record, etcd is told to look at it, and every later bundle
// of an etcd node has the newest. Inputs may not lie in crls/ then.
//
// # Leaving
//
// A node under left was one of the cluster's, and no later ceremony is to certify it
// by what it had: neither its record nor its present key vouches for it any more. It
// goes on record ("issuing-closed"), and the schedule's head says so. So does a node
// all of whose newest certificates are revoked as cessationOfOperation. A node that
// gets certificates after that, by a request that people compared or its host key
// signed, is one of the cluster's again. To leave a node out this time, name it nowhere.
//
// # Adoption
//
// A running cluster that kubeadm made is adopted by its first ceremony. Its
// self-signed authorities are adopted: certificates without keys, that issue in that
// ceremony and are only trusted in the next. Their successors are created with use:
// trust. The nodes' requests bring along what they have (package bundle/request),
// and every leaf of an adopted authority that issues is carried over from there: by
// that authority, valid, for the request's key. A client certificate has the common
// name the plan gives, a serving one is for the node; other differences are warnings.
// serviceAccount names what one control-plane node sealed to itself; the others have
// sealed. A later ceremony adopts only what its predecessor did. The schedule has
// trusts and carried for it. No key is imported.
package plan
