package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// change is something done to a cluster that is in use: a ceremony, whose
// bundles then go onto the nodes, one at a time.
type change struct {
	ceremony string                                      // the folder of its ceremony
	make     func(ctx context.Context) error             // makes it
	before   func(ctx context.Context, m *machine) error // holds on a node just before its turn
	after    func(ctx context.Context, m *machine) error // holds on it just after
}

// roll carries a change out: node by node out of the balancer, install, restart
// of what install says and of nothing else, and back when all is well again.
// Workers run nothing here, so they only install. The API is asked and written
// to all the while; roll fails when it does not answer once.
func (s *site) roll(ctx context.Context, c change) error {
	if err := c.make(ctx); err != nil {
		return err
	}
	w := s.watch(ctx, s.machines[0].tree)
	defer w.stop()
	for _, m := range s.machines {
		if err := s.turn(ctx, c, m); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
	}
	for _, h := range s.hosts {
		if h.controlPlane() {
			continue
		}
		if _, err := s.install(ctx, h, c.ceremony); err != nil {
			return err
		}
	}
	return w.end(20)
}

// turn is one node's part of a change.
func (s *site) turn(ctx context.Context, c change, m *machine) error {
	if err := c.before(ctx, m); err != nil {
		return fmt.Errorf("before the change: %w", err)
	}
	s.among(slices.DeleteFunc(slices.Clone(s.machines), func(each *machine) bool { return each == m })...)
	// Requests that were under way find their end before the server's.
	time.Sleep(time.Second)
	said, err := s.install(ctx, m.host, c.ceremony)
	if err != nil {
		return err
	}
	told := restarts(said)
	if len(told) == 0 {
		return fmt.Errorf("install does not say what to restart\n%s", said)
	}
	for _, component := range components {
		if !slices.Contains(told, component) {
			continue
		}
		m.stop(component)
		var more []string
		if component == etcd {
			more = membership{s}.initialCluster(m) // what its static pod would say since it joined
		}
		if err := m.start(ctx, component, more...); err != nil {
			return err
		}
	}
	if err := until(ctx, patience, nil, func() error { return m.ready(ctx, m.path("pki/ca.crt")) }); err != nil {
		return err
	}
	s.among(s.machines...)
	if err := c.after(ctx, m); err != nil {
		return fmt.Errorf("after the change: %w", err)
	}
	return nil
}

// restarts is which components install says have to be restarted.
func restarts(said string) []string {
	var list []string
	_, readers, _ := strings.Cut(said, "\nwho reads them\n")
	for line := range strings.Lines(readers) {
		component, what, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if ok && strings.HasPrefix(what, "restart it for ") {
			list = append(list, component)
		}
	}
	return list
}

// reissued is the first change: every leaf anew, by the authorities there are.
func (s *site) reissued() []trial {
	var token string
	first := s.machines[0]
	return []trial{
		{"day two: a token is signed before", func(ctx context.Context) (err error) {
			token, err = first.token(ctx)
			return err
		}},
		{"not: the API counts as available when nobody answers", func(ctx context.Context) error {
			w := s.watch(ctx, first.tree)
			time.Sleep(500 * time.Millisecond)
			s.among()
			time.Sleep(time.Second)
			s.among(s.machines...)
			return refused(w.end(2), "did not answer")
		}},
		{"day two: all leaves are issued anew and installed, node by node, and the API answers all the while", func(ctx context.Context) error {
			return s.roll(ctx, change{
				ceremony: "ceremony-2",
				make:     func(ctx context.Context) error { return s.reissue(ctx, "ceremony", "ceremony-2") },
				before: func(ctx context.Context, m *machine) error {
					return refused(s.serves(ctx, m, "ceremony-2"), "serves another certificate")
				},
				after: func(ctx context.Context, m *machine) error { return s.serves(ctx, m, "ceremony-2") },
			})
		}},
		{"day two: etcd has its three members", membership{s}.memberList},
		{"day two: the token from before is accepted by all", func(ctx context.Context) error {
			for _, m := range s.machines {
				if err := m.accepts(ctx, token); err != nil {
					return fmt.Errorf("%s: %w", m.name, err)
				}
			}
			return nil
		}},
		{"day two: the leases are held", func(ctx context.Context) error {
			return errors.Join(first.renews(ctx, controllerManager, patience), first.renews(ctx, scheduler, patience))
		}},
		{"day two: a worker logs in with what it installed", func(ctx context.Context) error {
			return s.put(ctx, s.machines[1], "worker-1", "PATCH", allNodes+"/worker-1", label("example.test/c", "1"), 200, "example.test/c")
		}},
		{"day two: officiant-node verify finds nothing on any node", func(ctx context.Context) error {
			for _, h := range s.hosts {
				if err := s.verify(ctx, s.root(h.name)); err != nil {
					return err
				}
			}
			return nil
		}},
		{"not: the bundle from before installs", func(ctx context.Context) error {
			_, err := s.install(ctx, first.host, "ceremony")
			return refused(err, "sequence 1")
		}},
	}
}

// serves fails unless the three servers of a node show the certificates of that
// ceremony's bundle.
func (s *site) serves(ctx context.Context, m *machine, ceremony string) error {
	peer, err := pair(m.path("pki/etcd/peer"))
	if err != nil {
		return err
	}
	for _, server := range []struct {
		name, trust, url string
	}{
		{"pki/apiserver.crt", "pki/ca.crt", m.url("/readyz")},
		{"pki/etcd/server.crt", "pki/etcd/ca.crt", m.place(2379) + "/version"},
		{"pki/etcd/peer.crt", "pki/etcd/ca.crt", m.place(2380) + "/version"},
	} {
		want, err := firstCertificate(s.path(ceremony, "bundles", m.name, server.name))
		if err != nil {
			return err
		}
		a, err := caller{trust: m.path(server.trust), who: peer}.ask(ctx, "GET", server.url)
		if err != nil {
			return err
		}
		if !a.peer.Equal(want) {
			return fmt.Errorf("%s serves another certificate than %s of %s: serial %x, not %x", server.url, server.name, ceremony, a.peer.SerialNumber, want.SerialNumber)
		}
	}
	return nil
}
