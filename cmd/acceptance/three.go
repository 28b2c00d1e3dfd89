package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// threeNodes is the second scenario: three control-plane nodes with a
// three-member etcd behind one address, and two workers' identities; then a
// whole re-issue while it is in use.
func threeNodes(ctx context.Context, o options, r *report) error {
	s, err := newSite(o, filepath.Join(o.dir, "three"), "harbour", host{"cp-1", "10.0.0.11"}, host{"cp-2", "10.0.0.12"}, host{"cp-3", "10.0.0.13"},
		host{"worker-1", ""}, host{"worker-2", ""})
	if err != nil {
		return err
	}
	defer s.close()
	if !r.must(ctx,
		trial{"three nodes: a ceremony is made and installed on three control-plane nodes and two workers", func(ctx context.Context) error { return s.begin(ctx, nil) }},
		trial{"three nodes: cp-1 runs etcd, API server, controller manager and scheduler", func(ctx context.Context) error {
			if err := s.lay(s.machines[0])(ctx); err != nil {
				return err
			}
			if err := s.open(s.machines[0]); err != nil {
				return err
			}
			return s.machines[0].startAll(ctx)
		}},
		trial{"three nodes: super-admin.conf of cp-1 makes the bindings", s.bind(s.machines[0])},
		trial{"three nodes: cp-1 uploads what kubeadm needs of the cluster for a join", s.upload},
		trial{"not: a peer whose peer.crt another authority made joins etcd", func(ctx context.Context) error {
			return membership{s}.intrude(ctx, s.machines[1])
		}},
		trial{"cp-2 joins etcd over peer TLS and runs the rest", func(ctx context.Context) error {
			return membership{s}.enlist(ctx, s.machines[1])
		}},
		trial{"cp-3 joins etcd over peer TLS and runs the rest", func(ctx context.Context) error {
			return membership{s}.enlist(ctx, s.machines[2])
		}},
	) {
		return nil
	}
	s.among(s.machines...)
	r.try(ctx, s.control()...)
	r.try(ctx, s.reissued()...)
	return nil
}

// startAll starts everything, in order.
func (m *machine) startAll(ctx context.Context) error {
	for _, component := range components {
		if m.running[component] != nil {
			continue
		}
		if err := m.start(ctx, component); err != nil {
			return err
		}
	}
	return nil
}

// membership is who belongs to the etcd cluster of a site.
type membership struct{ *site }

// initialCluster are the flags with which etcd joins those that run, as kubeadm join writes them.
func (s membership) initialCluster(m *machine) []string {
	var peers []string
	for _, each := range s.machines {
		if each == m || each.running[etcd] != nil {
			peers = append(peers, each.name+"="+each.place(2380))
		}
	}
	return []string{"--initial-cluster=" + strings.Join(peers, ","), "--initial-cluster-state=existing"}
}

// addMember tells etcd of a member to come; once is enough. Until it is promoted
// it has no vote, as with kubeadm join: without it the others go on.
func (s membership) addMember(ctx context.Context, m *machine) error {
	id, err := s.memberID(ctx, m)
	if err != nil || id != "" {
		return err
	}
	// A member that has just joined keeps etcd from taking the next one at once.
	return until(ctx, patience, nil, func() error {
		_, err := s.machines[0].etcdctl(ctx, "etcd/healthcheck-client", "member", "add", m.name, "--learner", "--peer-urls="+m.place(2380))
		return err
	})
}

// memberID is what etcd calls a machine's member; nothing when it knows none.
func (s membership) memberID(ctx context.Context, m *machine) (string, error) {
	list, err := s.machines[0].etcdctl(ctx, "etcd/healthcheck-client", "member", "list")
	for line := range strings.Lines(list) {
		if strings.Contains(line, m.place(2380)) {
			id, _, _ := strings.Cut(line, ",")
			return id, err
		}
	}
	return "", err
}

// learn starts a machine's etcd as a learner; promote makes it a member that
// votes, once it has caught up.
func (s membership) learn(ctx context.Context, m *machine) (p *process, promote func() error, err error) {
	if err := s.addMember(ctx, m); err != nil {
		return nil, nil, err
	}
	if p, err = m.launch(etcd, s.initialCluster(m)...); err != nil {
		return nil, nil, err
	}
	id, err := s.memberID(ctx, m)
	if err != nil {
		return nil, nil, err
	}
	return p, func() error {
		_, err := s.machines[0].etcdctl(ctx, "etcd/healthcheck-client", "member", "promote", id)
		return err
	}, nil
}

// enlist has a machine join: etcd first, then the rest.
func (s membership) enlist(ctx context.Context, m *machine) error {
	if err := s.lay(m)(ctx); err != nil {
		return err
	}
	p, promote, err := s.learn(ctx, m)
	if err != nil {
		return err
	}
	if err := until(ctx, patience, p, promote); err != nil {
		return err
	}
	if err := until(ctx, patience, p, func() error { return m.well(ctx, etcd) }); err != nil {
		return err
	}
	return m.startAll(ctx)
}

// intrude lets a machine try to join with a peer certificate of the same
// content by an authority nobody trusts.
func (s membership) intrude(ctx context.Context, m *machine) (err error) {
	if err := s.lay(m)(ctx); err != nil {
		return err
	}
	f := files(m.path(""))
	sound := map[string][]byte{}
	for _, name := range []string{"pki/etcd/peer.crt", "pki/etcd/peer.key"} {
		if sound[name], err = f.read(name); err != nil {
			return err
		}
	}
	modes := map[string]os.FileMode{"pki/etcd/peer.crt": 0o644, "pki/etcd/peer.key": 0o600}
	defer func() {
		m.stop(etcd)
		for name, data := range sound {
			err = errors.Join(err, os.WriteFile(f.path(name), data, modes[name]))
		}
		err = errors.Join(err, os.RemoveAll(filepath.Join(m.tree, "var/lib/etcd")), os.MkdirAll(filepath.Join(m.tree, "var/lib/etcd"), 0o700))
		m.unfurnish()
	}()
	if err := fromAnother("pki/etcd/peer")(f); err != nil {
		return err
	}
	p, promote, err := s.learn(ctx, m)
	if err != nil {
		return err
	}
	err = until(ctx, 8*time.Second, p, promote)
	if err == nil {
		return errUnexpected
	}
	return refused(fmt.Errorf("%w\n%s", err, tail(p.log, 400)), "bad certificate", "unknown authority", "unknown certificate")
}

// control shows that the three are one control plane.
func (s *site) control() []trial {
	var trials []trial
	for _, m := range s.machines {
		trials = append(trials,
			trial{"readyz of " + m.name, func(ctx context.Context) error { return m.ready(ctx, m.path("pki/ca.crt")) }},
			trial{"etcd of " + m.name + " tells its own healthcheck-client its health", func(ctx context.Context) error { return m.etcdHealth(ctx, "healthcheck-client") }},
			trial{"admin.conf of " + m.name + " may do everything", func(ctx context.Context) error {
				_, err := m.kubectl(ctx, "admin.conf", "auth", "can-i", "*", "*", "--all-namespaces")
				return err
			}})
	}
	first, last := s.machines[0], s.machines[len(s.machines)-1]
	return append(trials,
		trial{"etcd has three members, all started", membership{s}.memberList},
		trial{"what cp-1 writes is read at cp-3", func(ctx context.Context) error {
			if _, err := first.kubectl(ctx, "admin.conf", "create", "configmap", "-n", "default", "acceptance", "--from-literal=count=0"); err != nil {
				return err
			}
			_, err := last.kubectl(ctx, "admin.conf", "get", "configmap", "-n", "default", "acceptance")
			return err
		}},
		trial{"a token signed by cp-1 is accepted by cp-3", func(ctx context.Context) error {
			return until(ctx, patience, nil, func() error {
				token, err := first.token(ctx)
				if err != nil {
					return err
				}
				return last.accepts(ctx, token)
			})
		}},
		trial{"worker-1 registers through cp-2, and labels itself", func(ctx context.Context) error { return s.register(ctx, s.machines[1], "worker-1") }},
		trial{"worker-2 registers through cp-2, and labels itself", func(ctx context.Context) error { return s.register(ctx, s.machines[1], "worker-2") }},
		trial{"not: worker-2 labels worker-1", func(ctx context.Context) error {
			return s.put(ctx, s.machines[1], "worker-2", "PATCH", allNodes+"/worker-1", label("example.test/b", "1"), 403, "")
		}},
		trial{"one of the three controller managers and one scheduler hold the leases", func(ctx context.Context) error {
			for _, component := range []string{controllerManager, scheduler} {
				if err := first.renews(ctx, component, patience); err != nil {
					return err
				}
			}
			return nil
		}},
	)
}

// register makes a node's Node through a machine, as its kubelet would, and labels it.
func (s *site) register(ctx context.Context, m *machine, name string) error {
	body := fmt.Sprintf(`{"kind":"Node","apiVersion":"v1","metadata":{"name":%q}}`, name)
	if err := s.put(ctx, m, name, "POST", allNodes, body, 201, name); err != nil {
		return err
	}
	return s.put(ctx, m, name, "PATCH", allNodes+"/"+name, label("example.test/a", "1"), 200, "example.test/a")
}

func (s membership) memberList(ctx context.Context) error {
	said, err := s.machines[0].etcdctl(ctx, "etcd/healthcheck-client", "member", "list")
	if err != nil {
		return err
	}
	lines := slices.Collect(strings.Lines(said))
	if len(lines) != len(s.machines) || strings.Count(said, ", started,") != len(s.machines) {
		return fmt.Errorf("etcd lists\n%s", said)
	}
	return nil
}
