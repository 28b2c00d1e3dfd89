package schedule

import (
	"crypto/x509"
	"io/fs"
	"math/big"
	"net/netip"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/ceremony/approval"
	"officiant/ceremony/history"
	"officiant/ceremony/plan"
	"officiant/signer"
)

// Kind says what a schedule entry signs.
type Kind string

const (
	RootCertificate      Kind = "root"       // self-signed
	AuthorityCertificate Kind = "authority"  // intermediate, by the root
	LeafCertificate      Kind = "leaf"       // by an intermediate
	RequestSignature     Kind = "csr"        // PKCS#10, by the key it is about
	ExternalCertificate  Kind = "external"   // no signature of ours: what has to come back for a request
	CRLSignature         Kind = "crl"        // by an authority
	BundleSignature      Kind = "bundle"     // by the release key
	GrantSignature       Kind = "grant"      // by the release key
	TranscriptSignature  Kind = "transcript" // by the release key
)

// Entry is one signature to be made: one line of schedule.txt.
type Entry struct {
	N                  int // line of the schedule, from 1
	Kind               Kind
	Name               string // unique: "root", "kubernetes", "cp-1/apiserver", "bundle cp-1", "transcript"
	Signer             string // authority's name, or the release key's; empty for an ExternalCertificate
	Node               string
	Leaf               *kubepki.Leaf // of a LeafCertificate; nil of others
	CommonName         string
	Organization       []string
	DNSNames           []string
	IPAddresses        []netip.Addr
	KeyUsage           x509.KeyUsage
	ExtKeyUsage        []x509.ExtKeyUsage
	IsCA               bool
	MaxPathLen         int           // of a CA
	Duration           time.Duration // from NotBefore; of an ExternalCertificate the most; of a list, until the next
	Least              time.Duration // of an ExternalCertificate: what has to be left of it when it comes back
	Number             *big.Int      // of a revocation list; one more for each attempt that was abandoned
	Revoked            []Revoked     // of a revocation list, by serial number
	SignatureAlgorithm x509.SignatureAlgorithm
	// The subject's public key: known already (SPKI), or that of a key made in the ceremony (SubjectKey).
	// Or that of a node's key that is made in the ceremony, of the algorithm Made.
	SPKI       fingerprint.SHA256
	SubjectKey string
	Made       signer.Algorithm
}

// Ceremony is a plan with all its inputs, checked and expanded.
type Ceremony struct {
	Plan     *plan.Plan
	File     string                        // name the plan was read from, for messages
	Inputs   map[string][]byte             // by path below the plan's folder, but requests and what is Streamed
	Sums     map[string]fingerprint.SHA256 // of all inputs, requests included; Input reads each
	Cluster  kubepki.Cluster
	Nodes    []kubepki.Node      // in the plan's order
	Requests map[string]*Request // by node: what is kept of each
	Vouched  map[string]Vouch    // by node: why its request is taken for its own
	// Certificates of authorities the plan names rather than makes, by authority name.
	Certificates map[string]*x509.Certificate
	Renewed      map[string]*x509.Certificate            // what an authority had so far, by name
	Issuers      []*x509.Certificate                     // CAs between an external root and the authorities the plan names
	Carried      map[string]map[string]*x509.Certificate // by node and Leaf.Name: what the bundle keeps
	Lists        []FormerList                            // of previous ceremonies, which no list of this one follows
	Journals     []history.Journal                       // of online signers, as the first line of the record has them
	EtcdList     string                                  // authority whose revocation list etcd gets; empty: it gets none
	Entries      []Entry                                 // of a plan opened lean nil; All has them of each
	Digest       fingerprint.SHA256
	Sequence     int
	People       approval.People // keys in their one spelling
	Former       *approval.Group // of the cluster's last ceremony, when it had other people
	// Sharing are the people of other clusters' ceremonies that opened a key last
	// which this one opens.
	Sharing  []approval.Group
	Past     *history.History // what the ceremonies that this one continues have on record
	Warnings []plan.Problem
	// Streamed are the inputs that are held nowhere, for CopyInput alone: records and journals.
	Streamed map[string]bool

	scheduleSum fingerprint.SHA256 // of schedule.txt, which WriteSchedule writes
	rehearses   *Ceremony          // whose rehearsal this is
	held        bool               // the plan was opened as that of a ceremony that was held
	unproven    map[string]bool    // nodes whose requests Prove has to prove
	reread      func(name string) ([]byte, error)
	reopen      func(name string) (fs.File, error)
	algorithms  map[string]signer.Algorithm // of keys, by name
	leaves      *nodeLeaves                 // all that nodes have, carried over or not
	lean        bool                        // lines are expanded when they are asked for
	lines       lines
}
