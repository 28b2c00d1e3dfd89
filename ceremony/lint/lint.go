package lint

import (
	"crypto/x509"
	"fmt"
	"math/big"
	"slices"

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
	Name      string              // the schedule's name of it, for messages
	Kind      Kind                // what it is to be
	Authority kubepki.Authority   // family of the issuer; Root for a Root
	Subject   kubepki.Authority   // family of an Intermediate itself: what it will issue
	Issuer    *x509.Certificate   // nil for a Root
	Cluster   kubepki.Cluster     // complete
	Leaf      *kubepki.Leaf       // what a Leaf has to be
	Used      func(*big.Int) bool // whether a serial was used before; nil: not asked
}

// Finding is one rule that a certificate or file breaks.
type Finding struct {
	Rule     string // identifier: "k8s_leaf_without_eku", "e_ext_san_no_entries"
	Subject  string // the certificate's name, or the file's path
	Problem  string
	Citation string
}

func (f Finding) String() string {
	return fmt.Sprintf("%s: %s (%s; %s)", f.Subject, f.Problem, f.Rule, f.Citation)
}

// rule is one rule of ours. check returns what is wrong, or nothing.
type rule struct {
	id       string
	citation string
	kinds    []Kind // nil: every kind
	check    func(*x509.Certificate, Context) string
}

// Certificate returns what is wrong with cert; no finding means that it may be
// signed. The signature itself is not looked at.
func Certificate(cert *x509.Certificate, in Context) []Finding {
	if !slices.Contains([]Kind{Root, Intermediate, Leaf}, in.Kind) {
		return []Finding{{"k8s_kind", in.Name, fmt.Sprintf("kind %q is unknown", in.Kind), "officiant"}}
	}
	findings := zlintFindings(cert, in)
	for _, table := range [][]rule{everyCert, caRules, leafRules, familyRules, expectedRules} {
		for _, r := range table {
			if r.kinds != nil && !slices.Contains(r.kinds, in.Kind) {
				continue
			}
			if problem := r.check(cert, in); problem != "" {
				findings = append(findings, Finding{r.id, in.Name, problem, r.citation})
			}
		}
	}
	return findings
}

var (
	onlyRoot         = []Kind{Root}
	onlyIntermediate = []Kind{Intermediate}
	authorities      = []Kind{Root, Intermediate}
	issuedByAnother  = []Kind{Intermediate, Leaf}
	onlyLeaf         = []Kind{Leaf}
)
