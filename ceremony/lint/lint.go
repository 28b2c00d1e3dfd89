package lint

import (
	"crypto/x509"
	"math/big"

	"officiant/bundle/kubepki"
)

// Kind says what sort of certificate is looked at.
type Kind string

const (
	Root         Kind = "root"         // self-signed
	Intermediate Kind = "intermediate" // an authority's, by the root
	Leaf         Kind = "leaf"         // by an intermediate
)

// Context is what the rules may know of a certificate beside itself.
type Context struct {
	Name      string            // the schedule's name of it, for messages
	Kind      Kind              // what it is to be
	Authority kubepki.Authority // family of the issuer; Root for a Root
	// Family of an Intermediate itself: what it will issue.
	Subject kubepki.Authority
	Issuer  *x509.Certificate // nil: self-signed
	Cluster kubepki.Cluster
	Leaf    *kubepki.Leaf       // what a Leaf has to be
	Used    func(*big.Int) bool // whether a serial was used before; nil: not asked
}

// Finding is one rule a certificate or file breaks.
type Finding struct {
	Rule     string // identifier: "k8s_leaf_without_eku", "zlint_e_…"
	Subject  string // the certificate's name, or the file's path
	Problem  string
	Citation string
}

func (f Finding) String() string {
	return f.Subject + ": " + f.Problem + " (" + f.Rule + ", " + f.Citation + ")"
}

// TrustFile is one file of a node that holds certificates.
type TrustFile struct {
	Path         string
	Kind         kubepki.FileKind
	Authority    kubepki.Authority
	Certificates []*x509.Certificate // in the file's order; of a kubeconfig, its CA data
}

// Certificate returns what is wrong with cert; none means that it may be signed.
// The signature is not looked at.
func Certificate(cert *x509.Certificate, in Context) []Finding { return nil }

// Layout returns what is wrong with a node's trust files taken together.
func Layout(files []TrustFile) []Finding { return nil }
