package install

import (
	"crypto"
	"fmt"
	"slices"
	"strings"

	"officiant/bundle"
	"officiant/bundle/fingerprint"
	"officiant/bundle/kubelet"
	"officiant/bundle/kubepki"
)

// What happens, or happened, to a file.
type What string

const (
	Added    What = "new"
	Changed  What = "changed"
	Removed  What = "removed"
	ModeOnly What = "mode"
)

// Change is one file of /etc/kubernetes that an install or rollback changes.
type Change struct {
	Path        string       `json:"path"` // below the root
	What        What         `json:"what"`
	Differences []Difference `json:"differences"`
}

// Report is what an install or rollback did, or would do.
type Report struct {
	Cluster  string
	Node     string
	Sequence int                  // of what is in place afterwards; 0: nothing of ours
	Before   int                  // of what was in place
	First    bool                 // root and release key were pinned now
	Already  bool                 // everything was in place
	Finished string               // an interrupted operation that was finished first
	Pins     *Pins                // after it
	Unpinned *fingerprint.SHA256  // the root that was pinned before, when another follows it
	Beside   []fingerprint.SHA256 // roots of the bundle that are not the pinned one
	Unread   string               // why the bundle in place was not one any more; files that it alone had stay
	Left     []string             // files with private keys of authorities that are only trusted for now
	Retired  *fingerprint.SHA256  // the release key that was pinned before, when another follows it
	Next     *fingerprint.SHA256  // the release key that the bundle announces
	Changes  []Change
	Kubelet  *Kubelet // what it would use without this operation; nil where none is certified
	Aside    []string // files below the root that it would prefer, and that were put aside
	Same     []string // files of the bundle that are in place already, below the root
	Notices  []Notice
}

// Options says what Install holds a bundle against, and how far it goes.
type Options struct {
	Release     crypto.PublicKey
	NewRelease  *fingerprint.SHA256 // Release as people compared it: it is pinned in place of the one that is
	NewRoot     *fingerprint.SHA256 // SHA-256 of a root certificate this node does not know, as people compared it
	DryRun      bool                // nothing is written at all
	MinSequence int                 // a node that has seen no bundle yet knows from people which are too old
}

// Install verifies b and places it, all or nothing. A *Refused or a
// *bundle.Refusal says why it is not accepted; the node is then as it was, but
// for an interrupted operation that was finished first (Report.Finished).
func (n *Node) Install(b *bundle.Bundle, o Options) (*Report, error) {
	if o.DryRun {
		return n.tryInstall(b, o)
	}
	// What can be refused is refused before anything is touched, an interrupted
	// operation's leftovers included.
	if err := b.CheckSignature(o.Release); err != nil {
		return nil, err
	}
	if f := b.Check(bundle.CheckOptions{Now: n.Now()}); len(f) > 0 {
		return nil, &Refused{nameOf(b), f}
	}
	unlock, err := n.lock()
	if err != nil {
		return nil, err
	}
	defer unlock()
	pending, err := n.record().interrupted()
	if err != nil {
		return nil, err
	}
	finished := ""
	if pending != nil {
		if finished, err = n.completion().recover(); err != nil {
			return nil, err
		}
	}
	a, err := n.preparation().accept(b, o)
	if err != nil {
		return &Report{Finished: finished}, err
	}
	if err := n.completion().removeTemps(foldersOf(a.files)...); err != nil {
		return nil, err
	}
	r, t, err := n.planner().install(a)
	if err != nil {
		return nil, err
	}
	r.Finished = finished
	if r.Already {
		return r, nil
	}
	return r, n.staging().apply(t)
}

func (n *Node) tryInstall(b *bundle.Bundle, o Options) (*Report, error) {
	if err := n.below().contained(); err != nil {
		return nil, err
	}
	pending, err := n.record().interrupted()
	if err != nil {
		return nil, err
	}
	if pending != nil {
		return nil, fmt.Errorf("an interrupted %s has to be finished first, which a dry run does not: install, or "+
			"roll back", pending.Operation)
	}
	a, err := n.preparation().accept(b, o)
	if err != nil {
		return nil, err
	}
	r, _, err := n.planner().install(a)
	return r, err
}

// asides notes what is put aside or brought back: the kubelet has to be restarted for it.
func (r *Report) asides(renames []rename) {
	for _, m := range renames {
		if m.Fresh {
			r.Aside = append(r.Aside, m.From)
		}
	}
	if len(renames) == 0 {
		return
	}
	at := slices.IndexFunc(r.Notices, func(n Notice) bool { return n.Component == "kubelet" })
	if at < 0 {
		at = len(r.Notices)
		r.Notices = append(r.Notices, Notice{Component: "kubelet"})
		slices.SortFunc(r.Notices, func(a, b Notice) int { return strings.Compare(a.Component, b.Component) })
		at = slices.IndexFunc(r.Notices, func(n Notice) bool { return n.Component == "kubelet" })
	}
	r.Notices[at].Restart = append(r.Notices[at].Restart, "/"+kubelet.Current)
}

func filesOf(b *bundle.Bundle) ([]kubepki.File, error) {
	facts, err := b.Facts()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", installedFile, err)
	}
	files, err := kubepki.Files(facts.Cluster, facts.Node)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", installedFile, err)
	}
	return files, nil
}

// gone lists files the last bundle placed and this one does not have. What this one has
// in another place stays where it is, too: a component that runs may read it there, and
// one place may be a link to the other.
func gone(old, files []kubepki.File) []string {
	var paths []string
	for _, f := range old {
		if !slices.ContainsFunc(files, func(n kubepki.File) bool { return n.Path == f.Path || n.Place == f.Place }) {
			paths = append(paths, placeOf(f))
		}
	}
	return paths
}
