package update_test

import (
	"context"
	"crypto"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"officiant/bundle"
	"officiant/bundle/bundletest"
	"officiant/bundle/durable"
	"officiant/bundle/fetch"
	"officiant/bundle/install"
	"officiant/bundle/install/installtest"
	"officiant/bundle/kubepki"
	"officiant/bundle/update"
)

// node is a machine with its keys, its first bundle, and services that are played.
type node struct {
	who *bundletest.Node
	*install.Node
	services *played
}

// played are services that remember with which bundle each was started last.
type played struct {
	node   *install.Node
	order  []string
	with   map[string]int // sequence in place at the last restart
	sick   func(name string, sequence int) bool
	others error
	busy   error
	locks  int
}

func (p *played) Runs(context.Context, kubepki.Service) bool { return true }

func (p *played) Restart(_ context.Context, s kubepki.Service) error {
	b, err := p.node.Bundle()
	if err != nil {
		return err
	}
	p.order = append(p.order, s.Name)
	p.with[s.Name] = b.Sequence
	return nil
}

func (p *played) Well(_ context.Context, s kubepki.Service) error {
	if p.sick != nil && p.sick(s.Name, p.with[s.Name]) {
		return errors.New(s.Name + " says no")
	}
	return nil
}

func (p *played) Others(context.Context) error { return p.others }

func (p *played) Lock(context.Context, string) (func(context.Context) error, error) {
	if p.busy != nil {
		return nil, p.busy
	}
	p.locks++
	return func(context.Context) error { p.locks--; return nil }, nil
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newNode(t testing.TB, p *bundletest.PKI, k kubepki.Node) *node {
	t.Helper()
	n := &node{who: p.NewNode(t, k)}
	n.Node = installtest.Asked(t, installtest.Folder(t), n.who)
	n.services = &played{node: n.Node, with: map[string]int{}}
	return n
}

func at(root string) *install.Node {
	return &install.Node{Root: root, Disk: &durable.Disk{}, Now: func() time.Time { return bundletest.Now }}
}

func (n *node) place(t testing.TB, p *bundletest.PKI, b *bundle.Bundle) {
	t.Helper()
	_, err := n.Install(b, install.Options{Release: p.Release.Public()})
	must(t, err)
}

// copy is a second machine of the same content.
func (n *node) copy(t testing.TB) *node {
	t.Helper()
	c := &node{who: n.who, Node: installtest.Copy(t, n.Node, installtest.Folder(t))}
	c.services = &played{node: c.Node, with: map[string]int{}, sick: n.services.sick}
	return c
}

// files is everything that a bundle places, with what it holds.
func (n *node) files(t testing.TB) map[string]string {
	t.Helper()
	all := map[string]string{}
	must(t, filepath.WalkDir(filepath.Join(n.Root, "etc"), func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		all[strings.TrimPrefix(path, n.Root)] = string(data)
		return err
	}))
	return all
}

// sequence is that of the bundle in place.
func (n *node) sequence(t testing.TB) int {
	t.Helper()
	b, err := at(n.Root).Bundle()
	must(t, err)
	if b == nil {
		return 0
	}
	return b.Sequence
}

// server serves one answer at a time on a real loopback server.
type server struct {
	*httptest.Server
	handler atomic.Pointer[http.HandlerFunc]
}

func newServer(t testing.TB) *server {
	s := &server{}
	s.Server = httptest.NewServer(
		http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*s.handler.Load())(w, r) }),
	)
	t.Cleanup(s.Close)
	return s
}

func (s *server) answers(h http.HandlerFunc) { s.handler.Store(&h) }

func (s *server) serves(data []byte) {
	s.answers(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(data) })
}

func tar(t testing.TB, b *bundle.Bundle) []byte {
	t.Helper()
	data, err := b.Tar()
	must(t, err)
	return data
}

// runner is a sync of the node from a place.
func (n *node) runner(t testing.TB, from string, release ...crypto.PublicKey) *update.Runner {
	t.Helper()
	p, err := fetch.Open(from, fetch.Options{Timeout: 20 * time.Second, Bytes: 1 << 20})
	must(t, err)
	return &update.Runner{
		Node: n.Node, Place: p, Release: release, Patience: 4 * time.Second,
		Services: func(kubepki.Cluster, kubepki.Node) (update.Services, update.Members, error) {
			return n.services, n.services, nil
		},
		Wait: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
		Say:  func(string, ...any) {},
	}
}
