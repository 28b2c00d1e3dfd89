package install

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"officiant/bundle"
	"officiant/bundle/durable"
	"officiant/bundle/tree"
)

// kubernetesDir is below which kubepki's paths lie, below the root.
const kubernetesDir = "etc/kubernetes"

// Node is the machine, or a directory that stands for it.
type Node struct {
	Root string // "/" or a directory under which etc/kubernetes and var/lib/officiant-node lie
	Disk *durable.Disk
	Now  func() time.Time

	opened *tree.Root // what lies below Root; opened at its first use
	taken  bool       // whoever uses it holds the lock already
}

// files is what lies below the root; everything is read and written through it.
func (n *Node) files() *tree.Root {
	if n.opened == nil {
		n.opened = tree.At(n.Root)
	}
	return n.opened
}

// State is the node's own directory.
func (n *Node) State() *State { return stateBelow(n.Root, n.Disk, n.files()) }

// Refused says why a bundle, or what is on the node, is not accepted.
type Refused struct {
	What     string // the bundle or the tree
	Findings []bundle.Finding
}

func (r *Refused) Error() string {
	if len(r.Findings) == 1 {
		return r.What + ": " + r.Findings[0].String()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d findings", r.What, len(r.Findings))
	for _, f := range r.Findings {
		b.WriteString("\n" + f.String())
	}
	return b.String()
}

func refusedf(what, file, format string, args ...any) error {
	return &Refused{what, []bundle.Finding{{File: file, Problem: fmt.Sprintf(format, args...)}}}
}

func nameOf(b *bundle.Bundle) string { return "bundle of " + b.Node }

// folders are those this package reads and writes in, below the root.
func folders() []string {
	return []string{kubernetesDir, defaultPKI, defaultPKI + "/etcd",
		StateDir, StateDir + "/" + keysDir, StateDir + "/" + keysDir + "/etcd", StateDir + "/previous"}
}

// lock keeps a second install, rollback or request out until unlock is called. It makes
// no file: what is locked is the state directory itself.
func (n *Node) lock() (unlock func(), err error) {
	if err := n.below().contained(); err != nil {
		return nil, err
	}
	if n.taken {
		return func() {}, nil
	}
	dir := n.State().Dir()
	f, err := n.files().Open(dir)
	if err != nil {
		return nil, fmt.Errorf("node state: %w", err)
	}
	if err := tryLock(f); err != nil {
		err = fmt.Errorf("%s: another install, rollback, sync or request is at work: %w", dir, err)
		return nil, errors.Join(err, f.Close())
	}
	return func() { f.Close() }, nil
}

// Take reserves this node for several operations that no other install,
// rollback or request may come between, until release is called. It fails while one is
// running.
func (n *Node) Take() (sole *Node, release func(), err error) {
	if release, err = n.lock(); err != nil {
		return nil, nil, err
	}
	own := *n
	own.taken = true
	return &own, release, nil
}

// Recover finishes an interrupted install or rollback, and removes what one left that
// ended before its journal. It returns the name of what it finished.
func (n *Node) Recover() (finished string, err error) {
	unlock, err := n.lock()
	if err != nil {
		return "", err
	}
	defer unlock()
	return n.completion().recover()
}

// Bundle is the one whose files are in place; nil when there is none, or it is damaged.
func (n *Node) Bundle() (*bundle.Bundle, error) { return n.record().whole() }

// Hold keeps installs and rollbacks out until release is called. It fails while
// one is at work, or was interrupted: what that one has staged in the state
// directory must stay there until it is finished.
func (n *Node) Hold() (release func(), err error) {
	unlock, err := n.lock()
	if err != nil {
		return nil, err
	}
	j, err := n.record().interrupted()
	if err == nil && j != nil {
		err = fmt.Errorf("%s: an interrupted %s has to be finished first: run install or rollback", n.State().Dir(), j.Operation)
	}
	if err != nil {
		unlock()
		return nil, err
	}
	return unlock, nil
}

// placed is a file as it is to be, or as it was.
type placed struct {
	path  string // below the root
	data  []byte
	mode  fs.FileMode
	owner *owner // nil: whose the file in its place is, or whoever runs this

	replaces bool // something is in its place
}

// owner is the user and the group a file belongs to, by number.
type owner struct{ uid, gid int }
