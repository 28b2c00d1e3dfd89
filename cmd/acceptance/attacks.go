package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// target is the node somebody tries to get into.
type target struct{ *machine }

// way is how one tries to get in.
type way struct {
	does string // what one does who is in
	try  func(ctx context.Context, t target, who *tls.Certificate) error
}

var (
	logsIn    = way{"logs in at the API server", logIn}
	speaksFor = way{"says to the API server who asks", borrow}
	opensEtcd = way{"opens etcd", read}
	joinsEtcd = way{"speaks to etcd as a peer", join}
)

// attack is somebody who has no business at a server, and tries.
type attack struct {
	name  string
	who   func() (*tls.Certificate, error)
	way   way
	cause string // the file the root has to be put into for it to succeed
}

func (a attack) String() string { return a.name + " " + a.way.does }

// logIn asks the API server who one is.
func logIn(ctx context.Context, t target, who *tls.Certificate) error {
	a, err := caller{trust: t.path("pki/ca.crt"), who: who, body: selfReview}.
		ask(ctx, "POST", t.url("/apis/authentication.k8s.io/v1/selfsubjectreviews"))
	if err != nil {
		return err
	}
	return a.is(201, "userInfo")
}

// borrow lets the front proxy's headers say that one is an administrator.
func borrow(ctx context.Context, t target, who *tls.Certificate) error {
	a, err := caller{trust: t.path("pki/ca.crt"), who: who, headers: []string{"X-Remote-User: intruder", "X-Remote-Group: system:masters"}}.
		ask(ctx, "GET", t.url("/api/v1/namespaces/kube-system/secrets"))
	if err != nil {
		return err
	}
	return a.is(200, "SecretList")
}

// read asks etcd for everything the cluster has.
func read(ctx context.Context, t target, who *tls.Certificate) error {
	const all = `{"key":"AA==","range_end":"AA==","limit":"5"}`
	a, err := caller{trust: t.path("pki/etcd/ca.crt"), who: who, body: all}.ask(ctx, "POST", t.place(2379)+"/v3/kv/range")
	if err != nil {
		return err
	}
	return a.is(200, "cluster_id")
}

// join speaks to etcd as its peers do.
func join(ctx context.Context, t target, who *tls.Certificate) error {
	a, err := caller{trust: t.path("pki/etcd/ca.crt"), who: who}.ask(ctx, "GET", t.place(2380)+"/members")
	if err != nil {
		return err
	}
	return a.is(200, "peerURLs")
}

// notLetIn is how one is told so.
var notLetIn = []string{"the answer is 401", "the answer is 403", "remote error: tls"}

// The causes: each opens one server to the whole hierarchy.
const (
	rootInClients    = "pki/ca.crt"
	rootInEtcd       = "pki/etcd/ca.crt"
	rootInFrontProxy = "pki/front-proxy-ca.crt"
)

// attackers are all whose certificates are about, with what they would want.
func (s *site) attackers(m *machine, other *fleet) []attack {
	here := func(name string) func() (*tls.Certificate, error) { return credentials(s.root(m.name), name) }
	there := func(name string) func() (*tls.Certificate, error) { return credentials(other.root("cp-1"), name) }
	worker := credentials(s.root("worker-1"), "kubelet.conf")
	public := func(names ...string) []string {
		for i := range names {
			names[i] = s.path("ceremony", "authorities", names[i]+".crt")
		}
		return names
	}
	theirs := filepath.Join(other.dir, "ceremony", "authorities", "kubernetes.crt")
	var list []attack
	for _, name := range []string{"etcd/server", "etcd/peer", "etcd/healthcheck-client", "apiserver-etcd-client", "front-proxy-client"} {
		list = append(list, attack{name, here("pki/" + name), logsIn, rootInClients})
	}
	health := here("pki/etcd/healthcheck-client")
	list = append(list,
		attack{"etcd's client with every public certificate behind it", chained(health, public("etcd", "kubernetes", "front-proxy", "root")...), logsIn, rootInClients},
		attack{"etcd's client with the kubernetes intermediate first", chained(health, public("kubernetes", "etcd", "root")...), logsIn, rootInClients},
		attack{"another cluster's admin.conf", there("admin.conf"), logsIn, rootInClients},
		attack{"another cluster's admin.conf with both clusters' intermediates", chained(there("admin.conf"), append(public("kubernetes", "root"), theirs)...), logsIn, rootInClients},
		attack{"another cluster's super-admin.conf", there("super-admin.conf"), logsIn, rootInClients},
		attack{"another cluster's kubelet", there("kubelet.conf"), logsIn, rootInClients},
		attack{"another cluster's front-proxy-client", there("pki/front-proxy-client"), speaksFor, rootInFrontProxy},
		attack{"a kubelet", worker, speaksFor, rootInFrontProxy},
		attack{"a kubelet with every public certificate behind it", chained(worker, public("kubernetes", "front-proxy", "root")...), speaksFor, rootInFrontProxy},
		attack{"a kubelet", worker, opensEtcd, rootInEtcd},
		attack{"a kubelet with every public certificate behind it", chained(worker, public("kubernetes", "etcd", "root")...), opensEtcd, rootInEtcd},
		attack{"a kubelet", worker, joinsEtcd, rootInEtcd},
	)
	for _, name := range []string{"admin.conf", "super-admin.conf", "controller-manager.conf", "scheduler.conf", "pki/apiserver-kubelet-client", "pki/front-proxy-client"} {
		list = append(list, attack{strings.TrimPrefix(name, "pki/"), here(name), opensEtcd, rootInEtcd})
	}
	return append(list,
		attack{"another cluster's apiserver-etcd-client", there("pki/apiserver-etcd-client"), opensEtcd, rootInEtcd},
		attack{"another cluster's etcd peer", there("pki/etcd/peer"), joinsEtcd, rootInEtcd},
	)
}

// credentials reads a kubeconfig, or a certificate and its key, of a node.
func credentials(tree, name string) func() (*tls.Certificate, error) {
	path := filepath.Join(tree, etcKubernetes, name)
	return func() (*tls.Certificate, error) {
		if strings.HasSuffix(name, ".conf") {
			return fromConf(path)
		}
		return pair(path)
	}
}

// chained shows the same leaf with these certificates behind it.
func chained(who func() (*tls.Certificate, error), paths ...string) func() (*tls.Certificate, error) {
	return func() (*tls.Certificate, error) {
		c, err := who()
		if err != nil {
			return nil, err
		}
		chain := [][]byte{c.Certificate[0]}
		for _, path := range paths {
			certificate, err := firstCertificate(path)
			if err != nil {
				return nil, err
			}
			chain = append(chain, certificate.Raw)
		}
		return &tls.Certificate{Certificate: chain, PrivateKey: c.PrivateKey}, nil
	}
}

// attacks has everybody try, first at the node as it was installed, where nobody
// may get in, then at a copy of it with the root put into its trust files, where
// everybody has to: else the first would have shown nothing.
func (s *site) attacks(ctx context.Context, r *report, m *machine, other *fleet) error {
	for _, own := range []attack{
		{"admin.conf", credentials(m.tree, "admin.conf"), logsIn, ""},
		{"front-proxy-client", credentials(m.tree, "pki/front-proxy-client"), speaksFor, ""},
		{"apiserver-etcd-client", credentials(m.tree, "pki/apiserver-etcd-client"), opensEtcd, ""},
		{"etcd/peer", credentials(m.tree, "pki/etcd/peer"), joinsEtcd, ""},
	} {
		r.try(ctx, trial{own.String(), own.on(target{m})})
	}
	list := s.attackers(m, other)
	for _, a := range list {
		r.try(ctx, trial{"not: " + a.String(), func(ctx context.Context) error { return refused(a.on(target{m})(ctx), notLetIn...) }})
	}
	spoiled := s.spoiled(m)
	defer spoiled.shutdown()
	if !r.must(ctx,
		trial{"by hand: a copy of the node has the root in its client-CA files", func(ctx context.Context) error { return s.spoil(ctx, spoiled, m) }},
		trial{"by hand: its etcd starts", func(ctx context.Context) error { return spoiled.start(ctx, etcd) }},
		// With every name allowed it would not start: it sees that the two files
		// have a certificate in common. With a list of names it does not look.
		trial{"not: its kube-apiserver starts with any name allowed to the front proxy", func(ctx context.Context) error {
			return refused(spoiled.start(ctx, apiServer, "--requestheader-allowed-names="), "contain overlapping certificates")
		}},
		trial{"by hand: it starts with the names of the front proxy and of worker-1 allowed", func(ctx context.Context) error {
			return spoiled.start(ctx, apiServer, "--requestheader-allowed-names=front-proxy-client,system:node:worker-1")
		}},
	) {
		return nil
	}
	for _, a := range list {
		r.try(ctx, trial{"by hand, with the root in " + a.cause + ": " + a.String(), a.on(target{spoiled})})
	}
	for _, f := range []struct{ file, authority string }{{rootInClients, "kubernetes"}, {rootInEtcd, "etcd"}, {rootInFrontProxy, "front-proxy"}} {
		r.try(ctx, trial{"officiant-node verify names " + f.file + " with the root in it", func(ctx context.Context) error {
			return refused(s.verify(ctx, spoiled.tree),
				"holds 2 certificates; whoever any of them certifies could log in, so it must hold the "+f.authority+" intermediate, ")
		}})
	}
	r.try(ctx, trial{"officiant-node verify finds nothing on the node that ran", func(ctx context.Context) error { return s.verify(ctx, m.tree) }})
	return nil
}

// on has it try, at a node.
func (a attack) on(t target) func(context.Context) error {
	return func(ctx context.Context) error {
		who, err := a.who()
		if err != nil {
			return fmt.Errorf("its certificate: %w", err)
		}
		return a.way.try(ctx, t, who)
	}
}

// spoiled is the machine that a copy of m will be, on ports of its own.
func (s *site) spoiled(m *machine) *machine {
	ports := strings.NewReplacer(":2379", ":12379", ":2380", ":12380", ":2381", ":12381", "--secure-port=6443", "--secure-port=16443")
	return &machine{host: m.host, tree: s.path("nodes", "spoiled"), logs: s.path("logs", "spoiled"), at: m.at, hostsFile: m.hostsFile, shift: 10000,
		adjust: func(_ string, args []string) []string {
			args = slices.Clone(args)
			for i := range args {
				args[i] = ports.Replace(args[i])
			}
			return args
		}}
}

// spoil makes the copy and puts the fault in.
func (s *site) spoil(ctx context.Context, spoiled, m *machine) error {
	for _, folder := range []string{etcKubernetes, "var/lib/officiant-node"} {
		if err := os.MkdirAll(filepath.Join(spoiled.tree, filepath.Dir(folder)), 0o755); err != nil {
			return err
		}
		// Unlike os.CopyFS, cp keeps the modes, which verify looks at.
		if _, err := outside(ctx, "cp", "-a", filepath.Join(m.tree, folder), filepath.Join(spoiled.tree, folder)); err != nil {
			return err
		}
	}
	if err := s.verify(ctx, spoiled.tree); err != nil {
		return fmt.Errorf("the copy, before anything is put in: %w", err)
	}
	root, err := os.ReadFile(s.path("ceremony", "authorities", "root.crt"))
	if err != nil {
		return err
	}
	for _, file := range []string{rootInClients, rootInEtcd, rootInFrontProxy} {
		own, err := os.ReadFile(spoiled.path(file))
		if err != nil {
			return err
		}
		if err := os.WriteFile(spoiled.path(file), append(own, root...), 0o644); err != nil {
			return err
		}
	}
	if err := s.lay(spoiled)(ctx); err != nil {
		return err
	}
	return ctx.Err()
}
