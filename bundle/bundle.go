package bundle

import (
	"crypto/x509"
	"errors"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
)

// Names of the files a bundle has beside the node's own tree.
const (
	SumsFile      = "SHA256SUMS"
	SignatureFile = "SHA256SUMS.sig"
	ReadmeFile    = "README.txt"
	VerifyFile    = "VERIFY.txt"
	FactsFile     = "officiant/node.json"
	RootFile      = "officiant/root.crt"
	IssuersFile   = "officiant/issuers.crt"
	BindingsFile  = "officiant/rbac.yaml"
	KubeadmFile   = "officiant/kubeadm.yaml"
	JoinFile      = "officiant/join.yaml"
	// NextReleaseFile announces the release key of later bundles.
	NextReleaseFile = "officiant/release-next.pub"
)

// Formats of a bundle. They differ in what it may hold: which texts there are,
// what they say, how many authorities of a family. A bundle is rebuilt byte for
// byte years later, so a format never changes; other texts are another format.
const (
	OldestFormat = 1
	NewestFormat = 6
)

// onlineSigner is the first format whose cluster may have the authorities of an online
// signer. Bundles of other clusters stay of the format before.
const onlineSigner = 6

// places is the first format whose files may lie elsewhere than below
// /etc/kubernetes/pki, and whose README.txt says by which flags components read them.
const places = 5

// ownKubelets is the first format whose first control-plane node's kubelet talks to
// its own API server, as kubeadm has it since 1.33, and whose texts have the kubelet
// keep to kubelet.conf.
const ownKubelets = 4

// severalAuthorities is the first format that may hold more than one authority
// of a family, more than one public key in sa.pub, and the next release key.
const severalAuthorities = 3

// clusterIn is a cluster as bundles of a format know it.
func clusterIn(format int, c kubepki.Cluster) kubepki.Cluster {
	c.SharedFirstKubelet = format < ownKubelets
	if format < places {
		c.Places, c.ByHand = kubepki.Places{}, false
	}
	if format < onlineSigner {
		c.KubeletServing, c.KubeletClient = false, false
	}
	return c
}

// Header is what the first lines of SHA256SUMS say.
type Header struct {
	Format     int // OldestFormat to NewestFormat
	Cluster    string
	Node       string
	Ceremony   fingerprint.SHA256 // the ceremony's digest
	Transcript fingerprint.SHA256 // hash of the transcript line that closes issuing
	Sequence   int                // the ceremony's ordinal along the chain, from 1
	NotAfter   time.Time          // UTC, whole seconds: when the first certificate in it expires
	Rehearsal  bool               // made on throw-away tokens: never for use
}

// Parts is what a bundle is made of.
type Parts struct {
	Cluster              kubepki.Cluster
	Node                 kubepki.Node
	Request              fingerprint.SHA256
	Root                 *x509.Certificate                         // above Authorities
	Authorities          map[kubepki.Authority]*x509.Certificate   // those that issued Leaves, and an online signer's
	Trusted              map[kubepki.Authority][]*x509.Certificate // beside these, by family, in the files' order; since format 3
	Adopted              map[kubepki.Authority]*x509.Certificate   // of an adopted cluster, self-signed
	External             bool                                      // the root is somebody else's; since format 3
	Issuers              []*x509.Certificate                       // CAs that may stand between an external root and the authorities, in any order
	Leaves               map[string]*x509.Certificate              // by Leaf.Name
	RevocationList       []byte                                    // DER, of the etcd authority, for nodes of role etcd; nil without Cluster.RevocationLists; since format 3
	ServiceAccountSealed []byte                                    // ASCII-armored age; nil for nodes without sa.key
	ServiceAccountPublic []byte                                    // PEM; nil for nodes without sa.pub; since format 3 more than one key
	NextRelease          []byte                                    // PEM; nil when none is announced; since format 3
	KeysSealed           []byte                                    // ASCII-armored age; nil for nodes that made their own keys
}

// Bundle is one node's bundle in memory.
type Bundle struct {
	Header
	Files     map[string][]byte // path to content, without SHA256SUMS and SHA256SUMS.sig
	Sums      []byte            // SHA256SUMS
	Signature []byte            // SHA256SUMS.sig
}

// Facts is officiant/node.json: what the node is, as the ceremony knew it.
type Facts struct {
	APIVersion string             `json:"apiVersion"` // "officiant/v1"
	Kind       string             `json:"kind"`       // "NodeFacts"
	Cluster    kubepki.Cluster    `json:"cluster"`
	Node       kubepki.Node       `json:"node"`
	Request    fingerprint.SHA256 `json:"request"`            // zero when the ceremony made the keys
	KeysMade   bool               `json:"keysMade,omitempty"` // by the ceremony; KeysFile has them sealed
	// Since format 3: SHA-256 of the DER certificates of authorities that stand in
	// the family's trust file after the one that issues, in the file's order.
	Trusted map[kubepki.Authority][]fingerprint.SHA256 `json:"trusted,omitempty"`
	// Since format 3: SHA-256 of the DER certificate of the authority in the
	// family's trust file that no ceremony made: it signed itself.
	Adopted map[kubepki.Authority]fingerprint.SHA256 `json:"adopted,omitempty"`
	// Since format 3: the root is somebody else's. IssuersFile has the CAs below it, if any.
	External bool `json:"externalRoot,omitempty"`
}

// Refusal says what is wrong with which file of which bundle. Open joins several
// (errors.Join).
type Refusal struct {
	Bundle string
	File   string // empty when it is the bundle as a whole
	Reason string
}

func (r *Refusal) Error() string {
	if r.File == "" {
		return r.Bundle + ": " + r.Reason
	}
	return r.Bundle + ": " + r.File + ": " + r.Reason
}

// Refusals lists what is wrong with a bundle, out of an error of Open, Parse or
// CheckSignature. Nothing when the error is of another kind.
func Refusals(err error) []*Refusal {
	if several, ok := err.(interface{ Unwrap() []error }); ok {
		var list []*Refusal
		for _, e := range several.Unwrap() {
			list = append(list, Refusals(e)...)
		}
		return list
	}
	if r, ok := errors.AsType[*Refusal](err); ok {
		return []*Refusal{r}
	}
	return nil
}
