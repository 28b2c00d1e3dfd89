package plan

import (
	"time"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/ceremony/approval"
	"officiant/signer"
)

// Plan is plan.yaml: reviewed and approved beforehand, without any secret,
// slot, module path or PIN. Zero values mean the defaults Open puts in.
type Plan struct {
	APIVersion     string         `yaml:"apiVersion"` // "officiant/v1"
	Kind           string         `yaml:"kind"`       // "Plan"
	Name           string         `yaml:"name"`       // typed to confirm a run; RFC 1123 label
	Cluster        Cluster        `yaml:"cluster"`
	Window         Window         `yaml:"window"`   // when it may run; absent: at any time
	Previous       Previous       `yaml:"previous"` // "none", or the ceremonies this one continues
	Authorities    []Authority    `yaml:"authorities"`
	Release        Release        `yaml:"release"`
	ServiceAccount ServiceAccount `yaml:"serviceAccount"`
	Leaves         Leaves         `yaml:"leaves"`
	KnownHosts     string         `yaml:"knownHosts"` // input file, OpenSSH's: which SSH host key is whose
	Nodes          []Node         `yaml:"nodes"`
	Grant          Grant          `yaml:"grant"`       // what an online signer may sign; absent: none is made
	Journals       []Journal      `yaml:"journals"`    // of online signers: what they signed since the last ceremony
	Left           []string       `yaml:"left"`        // nodes of previous ceremonies that are gone for good
	Revocations    []Revocation   `yaml:"revocations"` // all that has not ended, those of previous ceremonies included
	CRLs           []CRL          `yaml:"crls"`        // the lists to be made
	People         []Person       `yaml:"people"`      // absent: nobody has to approve
	Approvals      int            `yaml:"approvals"`   // how many of them have to
}

// Person is approval.Person as the plan writes it.
type Person = approval.Person

// Cluster names a kubeadm configuration, or gives the facts inline; what is
// Given inline wins over the file.
type Cluster struct {
	Name                 string              `yaml:"name"`
	KubernetesVersion    string              `yaml:"kubernetesVersion"`
	Naming               kubepki.Naming      `yaml:"naming"`
	Kubeadm              string              `yaml:"kubeadm"` // input file
	ControlPlaneEndpoint string              `yaml:"controlPlaneEndpoint"`
	ServiceSubnet        string              `yaml:"serviceSubnet"`
	DNSDomain            string              `yaml:"dnsDomain"`
	CertSANs             []string            `yaml:"certSANs"`
	EtcdServerCertSANs   []string            `yaml:"etcdServerCertSANs"`
	EtcdPeerCertSANs     []string            `yaml:"etcdPeerCertSANs"`
	ExternalEtcd         bool                `yaml:"externalEtcd"`
	Overrides            map[string]Override `yaml:"overrides"` // by certificate, "kube-apiserver"
	Extra                []Extra             `yaml:"extra"`     // on every node, or those of some roles
}

// Extra is kubepki.Extra as the plan writes it.
type Extra struct {
	Name      string            `yaml:"name"`
	Roles     []kubepki.Role    `yaml:"roles"` // under cluster: nodes of one of them have it; default: all
	Profile   kubepki.Profile   `yaml:"profile"`
	Authority kubepki.Authority `yaml:"authority"`
	Subject   Subject           `yaml:"subject"`
	SANs      []string          `yaml:"sans"`
	Allow     []string          `yaml:"allow"`
}

// Override is kubepki.Override as the plan writes it.
type Override struct {
	CommonName   string    `yaml:"commonName"`
	Organization *[]string `yaml:"organization"`
	ExtraSANs    []string  `yaml:"extraSANs"`
	Allow        []string  `yaml:"allow"` // names in it that belong to others, and are meant
}

// Previous is the list of predecessors; it unmarshals from "none", a list, or {lost: …},
// and must be given.
type Previous struct {
	Given      bool
	Ceremonies []Predecessor
	Lost       *Lost // the cluster's records are gone, and its chain begins anew
}

// Lost says that a cluster had ceremonies, and that no record of them is left.
type Lost struct {
	Sequence int    `yaml:"sequence"` // the highest that any node has seen
	Reason   string `yaml:"reason"`   // one line, for the record
}

// Predecessor names a finished ceremony by its transcript, which is an input.
type Predecessor struct {
	Cluster    string             `yaml:"cluster"`
	Sequence   int                `yaml:"sequence"`
	Head       fingerprint.SHA256 `yaml:"head"`       // hash of the transcript's last line
	Transcript string             `yaml:"transcript"` // input file
	Earlier    []string           `yaml:"earlier"`    // input files: the transcripts it continues, newest first, as far as renewal needs them
	Abandoned  []string           `yaml:"abandoned"`  // input files: transcripts of ceremonies that were given up
}

// Journal is the record of an online signer, as far as it has come.
type Journal struct {
	File   string             `yaml:"file"`   // input file
	Line   int                `yaml:"line"`   // the newest of which somebody kept the hash
	Head   fingerprint.SHA256 `yaml:"head"`   // that hash
	Grants []string           `yaml:"grants"` // input files: those in force, each with its signature beside it, .sig
	New    bool               `yaml:"new"`    // it does not continue the one that an earlier ceremony took in
}

// Authority is one CA: a key to make, a key that exists, or a certificate alone.
type Authority struct {
	Name        string            `yaml:"name"`        // "root", "kubernetes", later "kubernetes-2"
	Family      kubepki.Authority `yaml:"family"`      // defaults to Name
	Use         Use               `yaml:"use"`         // default: Issue
	Adopted     bool              `yaml:"adopted"`     // no ceremony made it: self-signed, of a cluster that is adopted
	Key         Key               `yaml:"key"`         // absent when the schedule does not need it
	Certificate string            `yaml:"certificate"` // input file; absent when it is to be made
	Renews      string            `yaml:"renews"`      // input file: its certificate so far; one for the same key and subject is made
	Root        string            `yaml:"root"`        // which root certifies it; default: the one that issues
	Subject     Subject           `yaml:"subject"`
	Validity    Duration          `yaml:"validity"` // of a certificate to be made
	Least       Duration          `yaml:"least"`    // of one that an external root signs: life left at least
	External    bool              `yaml:"external"` // a root whose key is in somebody else's hands, like a company's
	Issuers     string            `yaml:"issuers"`  // input file: CAs between an external root and authorities that exist
	Evidence    signer.Grade      `yaml:"evidence"` // least grade accepted; "software" must be said
}

// OnlineLife is how long an authority of an online signer is valid, unless the plan says it.
const OnlineLife = 90 * 24 * time.Hour

// Use says what an authority does in a ceremony.
type Use string

const (
	Issue Use = "issue" // what is made of its family, it signs; one authority of each family
	Trust Use = "trust" // nodes trust it beside the one that issues: it comes, or it goes
)

// Makes says whether the ceremony makes the authority's certificate.
func (a *Authority) Makes() bool { return a.Key.Create != "" || a.Renews != "" }

// Key says where a key comes from; exactly one field is set, or none.
type Key struct {
	Create   signer.Algorithm   `yaml:"create"`
	Existing fingerprint.SHA256 `yaml:"existing"` // of the SubjectPublicKeyInfo
}

// Subject is a distinguished name of CN and O only. Nil Organization means [CLUSTER].
type Subject struct {
	CommonName   string    `yaml:"commonName"`
	Organization *[]string `yaml:"organization"`
}

// Release is the key that signs bundles and transcripts: P-256 or RSA.
type Release struct {
	Name      string             `yaml:"name"` // default "release"; each one that follows has another: "release-2"
	Key       Key                `yaml:"key"`
	Public    string             `yaml:"public"` // input file, PEM, of an existing key
	Evidence  signer.Grade       `yaml:"evidence"`
	Successor Successor          `yaml:"successor"` // announced in every bundle; nodes take its signature after this one's
	Lost      fingerprint.SHA256 `yaml:"lost"`      // the last ceremony's key, when nothing of it announced this one
}

// Successor is the release key of later ceremonies; Name is empty when none is announced.
type Successor struct {
	Name     string       `yaml:"name"`
	Key      Key          `yaml:"key"`
	Public   string       `yaml:"public"` // input file, PEM, of an existing key
	Evidence signer.Grade `yaml:"evidence"`
}

// ServiceAccount is the pair sealed to the control-plane nodes; exactly one of Create and Sealed.
type ServiceAccount struct {
	Create signer.Algorithm `yaml:"create"` // ECDSA-P256 (default) or RSA-2048…4096; made in memory
	Sealed string           `yaml:"sealed"` // input file, carried over
	Public string           `yaml:"public"` // input file, PEM, with Sealed
	Next   NextAccount      `yaml:"next"`   // the pair that signs after a later ceremony; sa.pub has it already
	Former []string         `yaml:"former"` // input files, PEM: the pairs before, which sa.pub keeps while their tokens live
}

// NextAccount is the pair that follows the one in use; exactly one of Create and Sealed.
type NextAccount struct {
	Create signer.Algorithm `yaml:"create"`
	Sealed string           `yaml:"sealed"` // input file, carried over
	Public string           `yaml:"public"` // input file, PEM, with Sealed
}

// Given says whether a plan has anything under serviceAccount.
func (s ServiceAccount) Given() bool {
	return s.Create != "" || s.Sealed != "" || s.Public != "" || s.Next != NextAccount{} || s.Former != nil
}

// Leaves holds what all leaves share.
type Leaves struct {
	Validity Duration `yaml:"validity"` // default 1y, or the kubeadm file's
}

// Node is one node and its request.
type Node struct {
	Name        string             `yaml:"name"`
	Roles       []kubepki.Role     `yaml:"roles"`
	Address     string             `yaml:"address"`
	BindPort    int                `yaml:"bindPort"`
	First       bool               `yaml:"first"`
	Extra       []Extra            `yaml:"extra"`
	Keys        NodeKeys           `yaml:"keys"`        // in place of a request
	Host        string             `yaml:"host"`        // its name in knownHosts; default: Name
	Request     string             `yaml:"request"`     // input file
	Renew       []string           `yaml:"renew"`       // certificates made anew for the keys they have; the others are carried over. Empty: all are
	Sealed      string             `yaml:"sealed"`      // input file: sa.key as a peer sealed it to this one
	Fingerprint fingerprint.SHA256 `yaml:"fingerprint"` // of the request, received by another channel; absent when a known key vouches for it
}

// Window is when a plan may be carried out: from From until Until, both included.
// Zero values are open ends.
type Window struct {
	From  Time `yaml:"from"`
	Until Time `yaml:"until"`
}

// Holds says whether a clock that shows at is within the window.
func (w Window) Holds(at time.Time) bool {
	return !at.Before(w.From.Time) && (w.Until.IsZero() || !at.After(w.Until.Time))
}

func (w Window) String() string {
	switch {
	case w == Window{}:
		return "at any time"
	case w.Until.IsZero():
		return "from " + w.From.String()
	case w.From.IsZero():
		return "until " + w.Until.String()
	}
	return "from " + w.From.String() + " until " + w.Until.String()
}

// Time is a moment as plans write it: RFC 3339, in UTC, whole seconds.
type Time struct{ time.Time }

// Duration is a validity: "1y" (365 days), "90d", "8760h".
type Duration time.Duration

// Problem is one thing wrong with a plan or an input.
type Problem struct {
	File    string
	Line    int // 0 when the place is not known
	Column  int
	Message string
	Excerpt string // the line of the plan and a mark below the place; two lines, or empty
	follows bool   // from another problem, which is told
}
