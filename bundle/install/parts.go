package install

import (
	"crypto"

	"officiant/bundle/kubepki"
)

// What a node does is done by parts, each made with what it uses and nothing more.

func (n *Node) below() below { return below{n.Root, n.files()} }

func (n *Node) record() record { return record{n.State()} }

func (n *Node) credentials() credentials { return credentials{n.below()} }

func (n *Node) pinning() pinning { return pinning{n.record()} }

func (n *Node) keySearch() keySearch { return keySearch{n.below(), n.record()} }

func (n *Node) kubeletUse() kubeletUse { return kubeletUse{n.below(), n.Now} }

func (n *Node) preparation() preparation {
	return preparation{n.credentials(), n.record(), n.pinning(), n.keySearch(), n.Now}
}

func (n *Node) planner() planner { return planner{n.below(), n.record(), n.kubeletUse()} }

func (n *Node) completion() completion {
	return completion{mover{n.below(), n.Disk.In(n.files())}, n.record()}
}

func (n *Node) staging() staging { return staging{n.completion(), n.Now} }

func (n *Node) comparison() comparison {
	return comparison{n.below(), n.State(), n.keySearch(), n.kubeletUse()}
}

// InUse reads a leaf's certificate and key. A key that is not the certificate's
// is an error; so is a file that does not read.
func (n *Node) InUse(l kubepki.Leaf) (*InUse, error) { return n.credentials().inUse(l) }

// Takes says whether the node takes bundles by a release key: any when none is
// pinned; else the pinned one, and the one that the bundle in place announces.
// With the first bundle by that one the pin moves, and the key before is refused.
// The reason is a finding's text; empty when it does.
func (n *Node) Takes(release crypto.PublicKey) (reason string, err error) {
	return n.pinning().takes(release)
}

// AuthorityKeyFiles names the files below the root that have an authority's
// private key by kubeadm's names. They are not opened.
func (n *Node) AuthorityKeyFiles(p kubepki.Places) []string { return n.keySearch().named(p) }

// Verify holds the files of /etc/kubernetes against the bundle they came from,
// and, as they are now, against everything Check knows.
func (n *Node) Verify(o VerifyOptions) (*Verification, error) {
	return verifier{n.below(), n.record(), n.comparison(), n.Now}.verify(o)
}

// Status reads what is there. It changes nothing and needs no release key.
func (n *Node) Status() (*Status, error) {
	return statusReader{n.below(), n.record(), n.comparison(), n.Now}.status()
}
