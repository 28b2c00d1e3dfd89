package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// oneNode is the first scenario: a control-plane node with etcd, two workers'
// identities, and another cluster under the same root.
func oneNode(ctx context.Context, o options, r *report) error {
	s, err := newSite(o, filepath.Join(o.dir, "one"), "harbour", host{"cp-1", "10.0.0.11"}, host{"worker-1", ""}, host{"worker-2", ""})
	if err != nil {
		return err
	}
	defer s.close()
	s.crls = true
	m := s.machines[0]
	other := &fleet{conduct: conduct{officiant: o.officiant, node: o.node, dir: filepath.Join(o.dir, "other")},
		cluster: "quay", hosts: []host{{"cp-1", "10.0.0.11"}, {"worker-1", ""}}}
	if !r.must(ctx,
		trial{"one node: a ceremony for harbour, with cp-1 and two workers, is made and installed", func(ctx context.Context) error { return s.begin(ctx, nil) }},
		trial{"one node: a ceremony for another cluster, quay, under the same root", func(ctx context.Context) error { return other.begin(ctx, &s.fleet) }},
		trial{"one node: kubeadm writes the static pods", s.lay(m)},
		trial{"one node: etcd starts and is healthy for healthcheck-client", func(ctx context.Context) error { return m.start(ctx, etcd) }},
		trial{"one node: kube-apiserver is ready", func(ctx context.Context) error { return m.start(ctx, apiServer) }},
		trial{"one node: the address of the service kubernetes leads to it", func(context.Context) error { return s.open(m) }},
		trial{"one node: kube-controller-manager starts", func(ctx context.Context) error { return m.start(ctx, controllerManager) }},
		trial{"one node: kube-scheduler starts", func(ctx context.Context) error { return m.start(ctx, scheduler) }},
	) {
		return nil
	}
	r.try(ctx, s.serving(m, other)...)
	r.try(ctx, s.administration(m)...)
	r.try(ctx, s.leases(m)...)
	r.try(ctx, s.tokens(m)...)
	r.try(ctx, s.rootBundle(m)...)
	r.try(ctx, s.etcdHealth(m)...)
	r.try(ctx, s.nodes(m)...)
	r.try(ctx, s.kubelet(m)...)
	r.try(ctx, s.aggregation(m)...)
	if err := s.attacks(ctx, r, m, other); err != nil {
		return err
	}
	r.try(ctx, s.revocation(m)...)
	r.try(ctx, s.rollover(m)...)
	return nil
}

// serving shows that the API server is verified by ca.crt, and by that alone.
func (s *site) serving(m *machine, other *fleet) []trial {
	return []trial{
		{"readyz answers those who trust ca.crt", func(ctx context.Context) error { return m.ready(ctx, m.path("pki/ca.crt")) }},
		{"not: readyz answers those who trust etcd's authority", func(ctx context.Context) error {
			return refused(m.ready(ctx, m.path("pki/etcd/ca.crt")), "unknown authority")
		}},
		{"not: readyz answers those who trust another cluster under the same root", func(ctx context.Context) error {
			return refused(m.ready(ctx, filepath.Join(other.root("cp-1"), etcKubernetes, "pki/ca.crt")), "unknown authority")
		}},
	}
}

// administration shows that admin.conf is what RBAC makes it, and super-admin.conf
// is not.
func (s *site) administration(m *machine) []trial {
	can := func(ctx context.Context, conf string, args ...string) error {
		said, err := m.kubectl(ctx, conf, append([]string{"auth", "can-i"}, args...)...)
		if err == nil && !strings.HasSuffix("\n"+strings.TrimSpace(said), "\nyes") {
			return fmt.Errorf("kubectl says %q", said)
		}
		return err
	}
	everything := func(conf string) func(context.Context) error {
		return func(ctx context.Context) error { return can(ctx, conf, "*", "*", "--all-namespaces") }
	}
	kubeletClient := func(ctx context.Context) error {
		return can(ctx, "super-admin.conf", "get", "nodes", "--subresource=proxy", "--as=kube-apiserver-kubelet-client")
	}
	return []trial{
		{"super-admin.conf may do everything, bound by nothing", everything("super-admin.conf")},
		{"not: without its binding admin.conf may do everything", func(ctx context.Context) error { return refused(everything("admin.conf")(ctx), "exit status 1\nno") }},
		{"not: without its binding the kubelet client may ask kubelets", func(ctx context.Context) error { return refused(kubeletClient(ctx), "exit status 1\n") }},
		{"super-admin.conf makes the bindings of README.txt", s.bind(m)},
		{"admin.conf may do everything, by RBAC", func(ctx context.Context) error {
			return until(ctx, 20*time.Second, nil, func() error { return everything("admin.conf")(ctx) })
		}},
		{"the kubelet client may ask kubelets, by RBAC", func(ctx context.Context) error {
			return until(ctx, 20*time.Second, nil, func() error { return kubeletClient(ctx) })
		}},
	}
}

// leases shows that controller manager and scheduler work, which takes that
// their kubeconfigs log in.
func (s *site) leases(m *machine) []trial {
	var trials []trial
	for _, component := range []string{controllerManager, scheduler} {
		conf := strings.TrimPrefix(component, "kube-") + ".conf"
		holds := func(ctx context.Context) error { return m.renews(ctx, component, patience) }
		trials = append(trials,
			trial{component + " holds its lease and renews it", holds},
			trial{"not: with a " + conf + " by another authority it renews it", func(ctx context.Context) error { return m.impersonate(ctx, component, conf) }},
			trial{"with its own again " + component + " gets the lease back", holds})
	}
	return trials
}

// impersonate runs a component for a while with a kubeconfig of the same content
// by an authority nobody trusts.
func (m *machine) impersonate(ctx context.Context, component, conf string) (err error) {
	m.stop(component)
	path := m.path(conf)
	sound, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	defer func() {
		m.stop(component)
		err = errors.Join(err, os.WriteFile(path, sound, 0o600), m.start(ctx, component))
	}()
	if err := forgedIdentity(conf)(files(m.path(""))); err != nil {
		return err
	}
	p, err := m.launch(component)
	if err != nil {
		return err
	}
	// A controller manager that is not let in soon ends.
	if err := refused(m.renews(ctx, component, 8*time.Second), "not within", "has ended"); err != nil {
		return err
	}
	return refused(errors.New(string(tail(p.log, 40))), "Unauthorized")
}

// renews waits until the component's lease has been renewed while one looks.
func (m *machine) renews(ctx context.Context, component string, limit time.Duration) error {
	lease := func() (string, error) {
		said, err := m.kubectl(ctx, "super-admin.conf", "get", "lease", "-n", "kube-system", component,
			"-o", "jsonpath={.spec.holderIdentity} {.spec.renewTime}")
		if holder, _, _ := strings.Cut(said, " "); err == nil && holder == "" {
			return "", errors.New("nobody holds it")
		}
		return said, err
	}
	first := ""
	return until(ctx, limit, m.running[component], func() error {
		now, err := lease()
		switch {
		case err != nil:
			return err
		case first == "":
			first = now
		case now != first:
			return nil
		}
		return fmt.Errorf("the lease of %s stays at %s", component, first)
	})
}

// etcdHealth shows who may ask etcd.
func (s *site) etcdHealth(m *machine) []trial {
	var trials []trial
	for _, client := range []string{"etcd/healthcheck-client", "apiserver-etcd-client"} {
		trials = append(trials, trial{"etcd tells " + client + " its health", func(ctx context.Context) error {
			_, err := m.etcdctl(ctx, client, "endpoint", "health")
			return err
		}})
	}
	for _, client := range []string{"", "apiserver-kubelet-client", "front-proxy-client"} {
		name := "not: etcd tells " + client + " its health"
		if client == "" {
			name = "not: etcd tells those without a certificate its health"
		}
		trials = append(trials, trial{name, func(ctx context.Context) error {
			_, err := m.etcdctl(ctx, client, "endpoint", "health")
			return refused(err, "is unhealthy")
		}})
	}
	return trials
}
