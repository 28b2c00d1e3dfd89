package install_test

import (
	"strings"
	"testing"

	"officiant/bundle/bundletest"
	"officiant/bundle/install"
)

// TestNoRoot: a root that is not there is told as that, and before anything is made in it.
func TestNoRoot(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	m := newMachine(t, p, bundletest.Worker())
	b := p.Bundle(t, m.who, 1)
	there := m.Root
	m.Root = there + "0"
	if _, err := m.Install(b, install.Options{Release: p.Release.Public()}); err == nil ||
		!strings.Contains(err.Error(), "the node's root directory: stat "+m.Root) {
		t.Error(err)
	}
	m.Root = there
	m.place(t, p, b)
}
