// Package plan is the document: plan.yaml as people review and approve it. It is read
// strictly, with file, line and column for each mistake, and written with comments
// for reviewers. Package schedule says what the document means, together with its
// inputs. This page is the specification of plan.yaml, version 1.
//
// # Plan
//
// A plan is one YAML document without anchors, aliases, tags, empty values and
// invisible characters. Unknown fields fail with file, line and column.
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
//	    family: root                  # root, kubernetes, etcd, front-proxy, kubelet-serving,
//	                                  # kubelet-client; default: name
//	    key: {create: ECDSA-P384}     # or {existing: SPKI-FINGERPRINT}, or no key
//	    validity: 20y                 # of a certificate to be made: root 20y, an online signer's 90d, others 10y
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
//	grant:                            # what an online signer may sign; see docs/formats/plan.md
//	  journal: "51d0…"                # SHA-256 of the SubjectPublicKeyInfo of the journal's key
//	  validity: 90d                   # and never longer than its authorities
//	  life: 24h                       # of a certificate, at most; from 1m to 366d
//	  signaturesPerDay: 4             # of a node or user
//	  keyAlgorithms: [ECDSA-P256]     # that are certified
//	  reserved: {dnsNames: [], networks: []}   # beside the API server's and services'
//	  refusedKeys: []                 # beside authorities' and the release key
//	  nodes:                          # all of the cluster; default in a first ceremony: the plan's
//	    - name: worker-1
//	      roles: [worker]
//	      dnsNames: [worker-1]
//	      ipAddresses: [10.0.0.21]
//	      bootstrap: "system:bootstrap:07401b"   # who may ask once for its first certificate
//	  users: [{name: ann, groups: [team], requester: ann}]
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
//	journals:                         # what an online signer signed since; see Journals
//	  - file: journals/signer-1.jsonl
//	    line: 4711                    # the newest line of which somebody kept the hash
//	    head: "9f0c…"
//	    grants: [journals/grant-3.json]   # and the signature, journals/grant-3.json.sig
//	    new: true                     # not the one that an earlier ceremony took in
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
// If the cluster's previous ceremony has other people on record, or another
// threshold, enough of those people must approve as well.
//
// A predecessor is {cluster, sequence, head, transcript, earlier}. transcript is an
// input, and head is the SHA-256 of its last line. earlier lists the transcripts
// before it, newest first, each being the one that the next names in its first line.
// sequence counts along the cluster's chain: one more than this cluster's previous
// ceremony, else 1.
//
// If the records of the cluster's ceremonies are lost, previous is
//
//	previous:
//	  lost:
//	    sequence: 4                   # the highest that any node has seen
//	    reason: the safe burned       # goes on record; one line
//
// and this ceremony's sequence is one more. Only keys and authorities' certificates
// are taken over: no renew, no sealed service-account pair, no adopted authority.
//
// A previous ceremony of another cluster is the root's last one, and its record has
// the root's key if this ceremony opens it. No authority may have the subject or the
// key of one of that ceremony's authorities. Each existing key that the schedule
// opens, an authority's or the release key, must be on one of these records, of
// whichever cluster, or its record must be lost. If another cluster's ceremony opened
// it last, enough of that ceremony's people must approve as well. A key that a record
// has as software is not graded higher here. A new key has a name that no ceremony of
// the cluster gave to a key before. The sequence of lost records is at most a
// million.
//
// Below an external root, new authorities request their certificates. validity is the
// longest that these may be valid, and least (default: the leaves' validity) what
// must be left of it. Package receipt says what is accepted.
//
// Durations are "1y" (365 days), "90d" or Go's ("8760h"), from 1h to 100y.
//
// # Names that belong to others
//
// An extra serving certificate has no name or address of another node (of the plan or
// on record), of the API server, of etcd or of loopback, and no address of services,
// in any spelling and under no wildcard. Names of services, and names that begin with
// another node's, must be listed under allow. The same applies, under overrides, to
// subjects of Kubernetes' own or of another component beyond what the certificate
// already has, and to extraSANs of nodes without that role. For a ceremony that was
// held before this rule, they are warnings.
//
// # Inputs
//
// Input files are below the plan's folder: with slashes, without "..", with names of
// letters, digits and ._@+=,- that begin with a letter, a digit or one of _@+. The
// first path element is not one of the ceremony directory's own: plan.yaml
// schedule.txt approvals transcript.jsonl transcript.sig witnesses release.pub
// authorities bundles report.html secrets; and csrs, if the root is external.
//
// # Vouching
//
// Anyone who gets their own request into a ceremony gets a node's certificates. So
// each request is vouched for, and the schedule says how. "fingerprint" means that
// people compared it. Else "previous" is a signature by the key of the certificate
// that the cluster's last ceremony gave this node. It counts while the certificate is
// valid, for the roles that the node had then. Else "host-key" is an SSH signature by
// the key that the known_hosts file has for the node's name (or its host). Hashed
// names are supported. Patterns, certification authorities and revoked keys vouch for
// no node. Neither does one key for two nodes, whether it signed for both or the file
// has it for both. For a node that a ceremony named here knew, a host key vouches for
// no new role. Neither key vouches for a request made before the last ceremony began
// or dated more than a day in the future, or for a node one of whose current keys is
// revoked as compromised, here or on any list. A certificate does not vouch either if
// it is revoked for any reason, if its authority is, or if its node has left.
//
// A fourth voucher, "record", is only for renewal.
//
// # Renewal
//
// A node with renew gets these certificates reissued, and its bundle keeps the
// others: the newest of each name on this cluster's previous records, signed by the
// current authority, valid, and still what the plan requires. request is the request
// that its certificates were issued for: each key in it must be that of the
// certificate on record. It has no fingerprint, and may ask for names that the plan
// no longer gives. Nodes that need nothing are left out of a plan. A node with an
// empty renew gets a bundle of what it has, with whatever else the ceremony changes.
// The record does not vouch for the recipient in that request: for a new
// service-account pair, control-plane nodes send new requests.
//
// # Succession
//
// sa.pub holds the public key of the service-account pair in use, then the next
// pair's, then the former ones. A pair signs only if the last ceremony had it in use
// or as its next. The pair that signed until then must be among former, and former
// holds only such pairs, or those that sa.pub kept. A created pair signs at once and
// invalidates every earlier token; it has neither next nor former.
//
// The release key is the last ceremony's, or the successor that it announced. Any
// other key must name the last one's as lost. A successor is created in the ceremony
// that announces it first, and exists in those that announce it again.
//
// # Generations
//
// One authority of each family issues. Its others have "use: trust": nodes trust them
// after the issuing one, in the plan's order, and they sign no leaf. Their keys are
// opened only where they are created, or certify. An intermediate that issues is
// below the root that issues; a trusted one may be below any root of the plan, and
// may have expired. Beside another of its family, an authority's default commonName
// is its name. Unless the ceremony is the cluster's first, a new authority does not
// issue while another of its family is trusted, because no node trusts it yet.
// Carried-over certificates are the issuing authority's, so the old authority cannot
// go before leaves are issued by the new one.
//
// With renews instead of certificate, an authority gets another certificate for its
// existing key (key: {existing: …}). The subject is that of renews, and it expires no
// sooner. What the authority issued stays valid. Its own key is not opened for that,
// except a root's.
//
// # Revocation
//
// The issuer of a certificate decides whose list it is on: an intermediate's is the
// root's. Each list replaces its authority's previous one, so revocations must repeat
// what that list revokes, for the same reason, until a list made after the
// certificate's expiry has had it (RFC 5280, 3.3). The number is one more than that
// of the newest list on the previous ceremonies' records, or 1: every record has the
// newest list of each authority, made there or carried over. New entries are revoked
// as of the ceremony's NotBefore. A serial number that is on no record named here is
// refused, and so is a root's own. Also refused are a bundle with a revoked
// certificate, a new certificate for a key that was revoked as compromised, and a
// revoked authority that signs. An empty list is allowed. If the etcd family has a
// list, here or on a previous record, etcd is configured to check it, and every later
// bundle of an etcd node has the newest. Inputs may not be in crls/ then.
//
// # Leaving
//
// A node under left was a member of the cluster, and no later ceremony certifies it
// by what it had: neither its record nor its current key vouches for it any more.
// This goes on record ("issuing-closed"), and into the schedule's header. A node
// whose newest certificates are all revoked as cessationOfOperation has also left. A
// node that gets certificates after that, with a request that people compared or its
// host key signed, is a member again. To leave a node out only this time, do not name
// it at all.
//
// # Journals
//
// A ceremony takes the journal of an online signer in (package ceremony/online/journal).
// The journal is whole, ends with a signed head, has the line of the plan with the plan's
// hash, and each of its certificates was within the grant in force (package
// ceremony/online/proof). Each grant was signed by a release key on this cluster's
// record. How far the journal has come goes on record. A later ceremony's journal has
// that line, too: it continues the same one. If it is another one, the plan says new. A
// plan that revokes a certificate of a journal names that journal, again if need be.
//
// # Adoption
//
// A running cluster that kubeadm made is adopted by its first ceremony. Its
// self-signed authorities are adopted: certificates without keys, which issue in that
// ceremony and are only trusted in the next. Their successors are created with use:
// trust. The nodes' requests bring what the nodes have (package bundle/request), and
// every leaf of an adopted authority that issues is carried over from there: signed
// by that authority, valid, for the request's key. A client certificate has the
// common name that the plan gives, and a serving certificate is for the node; other
// differences are warnings. serviceAccount names what one control-plane node sealed
// to itself; the others have sealed. A later ceremony adopts only what its
// predecessor did. The schedule has trusts and carried for it. No key is imported.
package plan
