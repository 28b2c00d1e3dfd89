package install

import (
	"crypto"
	"errors"
	"time"

	"officiant/bundle"
	"officiant/bundle/durable"
)

var errLater = errors.New("not written yet")

// Node is the machine, or a directory that stands for it.
type Node struct {
	Root string // "/" or a directory under which etc/kubernetes and var/lib/officiant-node lie
	Disk *durable.Disk
	Now  func() time.Time
}

// Change is one file an install or a rollback changes.
type Change struct {
	Path string `json:"path"` // below Root
	What string `json:"what"` // "new", "changed", "removed", "mode"
}

// Report is what an install or rollback did, or would do.
type Report struct {
	Changes []Change
}

// Install verifies b and places it, all or nothing.
func (n *Node) Install(b *bundle.Bundle, release crypto.PublicKey, dryRun bool) (*Report, error) {
	return nil, errLater
}
