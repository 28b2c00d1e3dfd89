package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// synced is a control-plane node that lives, and fetches its bundles for itself: etcd,
// API server, controller manager, scheduler and kubelet run on it, officiant-node sync
// has the node's root for its own, and a web server hands out what was published.
type synced struct {
	*site
	m       *machine
	k       *kubeletNode
	v       *supervisor
	mirror  *mirror
	records []string // its ceremonies, the oldest first
}

// syncingNode is the scenario in which a living node comes to each next bundle by
// officiant-node sync alone, and goes back from one that it does not live with.
func syncingNode(ctx context.Context, o options, r *report) error {
	s, err := newSite(o, filepath.Join(o.dir, "sync"), "tern", host{"cp-1", "10.0.0.11"})
	if err != nil {
		return err
	}
	n := &synced{site: s, m: s.machines[0], records: []string{"ceremony"}}
	n.m.adjust = audited
	n.k = &kubeletNode{site: s, api: n.m, ports: "healthzPort: 10248\nstaticPodPath: /etc/kubelet-acceptance-pods\n"}
	defer n.close()
	if !r.must(ctx,
		trial{"sync: a ceremony for tern, with cp-1, is made and installed by hand",
			func(ctx context.Context) error { return s.begin(ctx, nil) }},
		trial{"sync: kubeadm writes the static pods and what the kubelet is started with", n.lay},
		trial{"sync: etcd, API server, controller manager, scheduler and kubelet are well", n.comesUp},
		trial{"sync: the API server sees the kubelet's serial number of the first install", n.k.seen},
		trial{"sync: super-admin.conf makes the bindings of README.txt", s.bind(n.m)},
		trial{"sync: the bundles are published, and a web server hands them out", n.publishes},
		trial{"sync: it has the newest bundle, and nothing is restarted", n.current},
	) {
		return nil
	}
	r.try(ctx, n.renewal()...)
	r.try(ctx, n.pairsApart()...)
	r.try(ctx, n.replaced()...)
	return nil
}

// lay is what a person does on the node before it syncs.
func (n *synced) lay(ctx context.Context) error {
	if err := n.site.lay(n.m)(ctx); err != nil {
		return err
	}
	if err := n.m.kubeadm(ctx, "init", "phase", "kubelet-start", "--config", config); err != nil {
		return err
	}
	if err := errors.Join(
		rotationIs(n.m.tree, true),
		os.MkdirAll(filepath.Join(n.m.tree, "etc/kubelet-acceptance-pods"), 0o755),
		os.MkdirAll(filepath.Join(n.m.tree, "etc/officiant"), 0o755),
		os.WriteFile(filepath.Join(n.m.tree, "tmp/audit.yaml"), []byte(auditPolicy), 0o644),
		rewrite(n.path("ceremony", "release.pub"), filepath.Join(n.m.tree, "etc/officiant/release.pub"), "", ""),
	); err != nil {
		return err
	}
	n.k.machine = *n.m
	at := filepath.Join(n.m.tree, "usr/local/bin/officiant-node")
	if err := os.WriteFile(at, nil, 0o755); err != nil {
		return err
	}
	n.k.mounts = append(n.k.mounts, at)
	return unix.Mount(n.node, at, "", unix.MS_BIND, "")
}

// comesUp starts everything, as the machine's boot does.
func (n *synced) comesUp(ctx context.Context) (err error) {
	if n.v, err = supervise(n.m, n.k); err != nil {
		return err
	}
	for _, component := range components {
		if err := until(ctx, patience, nil, func() error { return n.well(ctx, component) }); err != nil {
			return fmt.Errorf("%s: %w\n%s", component, err, tail(filepath.Join(n.m.logs, "cp-1-"+component+".log"), 12))
		}
	}
	if err := n.k.starts(ctx); err != nil {
		return err
	}
	return n.v.place()
}

// well asks a component from outside of the node's own program.
func (n *synced) well(ctx context.Context, component string) error {
	switch component {
	case etcd, apiServer:
		return n.m.well(ctx, component)
	}
	return n.m.renews(ctx, component, patience)
}

func (n *synced) allWell(ctx context.Context) error {
	for _, component := range components {
		if err := until(ctx, patience, nil, func() error { return n.well(ctx, component) }); err != nil {
			return fmt.Errorf("%s: %w", component, err)
		}
	}
	return n.k.seen(ctx)
}

func (n *synced) close() {
	if n.mirror != nil {
		n.mirror.close()
	}
	n.k.close()
	if n.v != nil {
		n.v.close()
	}
	n.site.close()
}

func (n *synced) published() string { return n.path("published") }

// publishes lays out the newest bundles at the desk.
func (n *synced) publishes(ctx context.Context) (err error) {
	args := append([]string{"fleet", "publish"}, n.paths(n.records)...)
	if _, err := n.command(ctx, n.officiant, append(args, "--to", n.published())...); err != nil {
		return err
	}
	if n.mirror != nil {
		return nil
	}
	if n.mirror, err = serveMirror(n.published()); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(n.m.tree, "etc/officiant/mirror.crt"), n.mirror.trust, 0o644)
}

// sync runs officiant-node sync once, on the node.
func (n *synced) sync(ctx context.Context) (string, error) {
	command := inside(ctx, n.m.tree, "/usr/local/bin/officiant-node", "sync", "--once", "--from", n.mirror.url,
		"--ca", "/etc/officiant/mirror.crt", "--release-key", "/etc/officiant/release.pub",
		"--status-to", n.mirror.url+"/status", "--patience", "90s", "--prometheus", "/tmp/sync.prom")
	said, err := command.CombinedOutput()
	if err != nil {
		return string(said), fmt.Errorf("officiant-node sync: %w\n%s", err, said)
	}
	return string(said), nil
}

// fleetStatus has the desk look who has what.
func (n *synced) fleetStatus(ctx context.Context) error {
	_, err := n.command(ctx, n.officiant, "fleet", "status", n.published())
	return err
}

func (n *synced) current(ctx context.Context) error {
	before := n.v.count()
	said, err := n.sync(ctx)
	switch {
	case err != nil:
		return err
	case !strings.HasSuffix(said, "\ncurrent\n"):
		return fmt.Errorf("sync says\n%s", said)
	case !maps.Equal(before, n.v.count()):
		return fmt.Errorf("started were %v, and now %v", before, n.v.count())
	}
	return n.fleetStatus(ctx)
}

// takes has the node come to a ceremony's bundle by sync, and looks whether exactly what
// install names was restarted, once, and is well.
func (n *synced) takes(ctx context.Context, ceremony string) error {
	said, err := n.command(ctx, n.node, "install", n.path(ceremony, "bundles", "cp-1.tar"), "--dry-run",
		"--release-key", n.path("ceremony", "release.pub"), "--root", n.m.tree)
	if err != nil {
		return err
	}
	before, named := n.v.count(), restarts(string(said))
	if len(named) == 0 {
		return fmt.Errorf("install names nothing to restart\n%s", said)
	}
	log, err := n.sync(ctx)
	if err == nil && !strings.HasSuffix(log, "\ninstalled\n") {
		err = fmt.Errorf("sync says\n%s", log)
	}
	if err != nil {
		return err
	}
	if err := onlyThese(before, n.v.count(), named); err != nil {
		return fmt.Errorf("%w\n%s", err, log)
	}
	return errors.Join(n.site.verify(ctx, n.m.tree), n.fleetStatus(ctx))
}

// onlyThese fails unless the named ones were started anew, once, and no others. The
// controller manager and the scheduler end when they cannot renew their leases, as while
// the API server is away, and are started again besides.
func onlyThese(before, after map[string]int, named []string) error {
	for _, name := range append(slices.Clone(components), kubeletProgram) {
		want := 0
		if slices.Contains(named, name) {
			want = 1
		}
		got := after[name] - before[name]
		leads := name == controllerManager || name == scheduler
		if got < want || got > want && !leads {
			return fmt.Errorf("%s was started %d times, not %d: %v, and before %v", name, got, want, after, before)
		}
	}
	return nil
}

// renewal: with crictl on the node, and without.
func (n *synced) renewal() []trial {
	next := func(previous, ceremony string) func(context.Context) error {
		return func(ctx context.Context) error {
			if err := n.reissue(ctx, previous, ceremony); err != nil {
				return err
			}
			n.records = append(n.records, ceremony)
			if err := n.publishes(ctx); err != nil {
				return err
			}
			if err := refused(n.fleetStatus(ctx), "1 node of 1 not well"); err != nil {
				return fmt.Errorf("before the node has it: %w", err)
			}
			if err := n.takes(ctx, ceremony); err != nil {
				return err
			}
			return n.serves(ctx, n.m, ceremony)
		}
	}
	return []trial{
		{"sync, renewal: installed; what install names was restarted, each once, and is well",
			next("ceremony", "ceremony-2")},
		{"sync, renewal: the API server sees the new serial number", n.allWell},
		{"sync, renewal without crictl: manifests are taken out and put back", func(ctx context.Context) error {
			if err := n.v.remove("crictl"); err != nil {
				return err
			}
			return next("ceremony-2", "ceremony-3")(ctx)
		}},
		{"sync, renewal without crictl: the API server sees the new serial number", n.allWell},
	}
}

// replaced is a rollover of the kubernetes authority by sync alone; in its middle a
// bundle that the node does not live with.
func (n *synced) replaced() []trial {
	var list []trial
	for _, stage := range stages {
		say := "sync, rollover, " + stage.name + ": "
		list = append(list, trial{say + "planned by the statuses that nodes left, run, published",
			func(ctx context.Context) error { return n.prepare(ctx, "kubernetes", stage.name, stage.ceremony) }})
		if stage.name == "issue" {
			list = append(list, n.failing(stage.ceremony)...)
		} else {
			list = append(list, trial{say + "installed, restarted, and well",
				func(ctx context.Context) error { return n.takes(ctx, stage.ceremony) }})
		}
		list = append(list, trial{say + "the API server sees the serial number that was installed", n.allWell})
	}
	return append(list,
		trial{"sync, rollover of etcd's authority, trust: published",
			func(ctx context.Context) error { return n.prepare(ctx, "etcd", "trust", "ceremony-etcd-trust") }},
		trial{"sync, rollover of etcd's authority, trust: etcd was restarted under its lock, and all is well",
			func(ctx context.Context) error {
				before := n.v.count()[etcd]
				if err := n.takes(ctx, "ceremony-etcd-trust"); err != nil {
					return err
				}
				if n.v.count()[etcd] != before+1 {
					return fmt.Errorf("etcd was started %d times", n.v.count()[etcd]-before)
				}
				held, err := n.m.etcdctl(ctx, "etcd/healthcheck-client", "get", "--keys-only", "--prefix",
					"/officiant/")
				if err == nil && strings.TrimSpace(held) != "" {
					err = fmt.Errorf("etcd still holds %s", held)
				}
				return errors.Join(err, n.allWell(ctx))
			}},
	)
}

// prepare plans and carries out a stage by what the node left at the mirror. As long as
// it has not got there, the next stage is refused.
func (n *synced) prepare(ctx context.Context, authority, stage, ceremony string) error {
	if stage == "trust" {
		if err := n.place(authority); err != nil {
			return err
		}
	}
	former := slices.Clone(n.records)
	slices.Reverse(former)
	args := append([]string{"ceremony", "rollover"}, n.paths(former)...)
	args = append(args, "--authority", authority, "--stage", stage,
		"--status", filepath.Join(n.published(), "status"), "--out", n.path("plan-"+ceremony, "plan.yaml"))
	if _, err := n.command(ctx, n.officiant, args...); err != nil {
		return err
	}
	if err := n.perform(ctx, "plan-"+ceremony, ceremony, n.paths(former)...); err != nil {
		return err
	}
	n.records = append(n.records, ceremony)
	return n.publishes(ctx)
}

// failing has the API server run by a copy of the former authority's certificate that
// somebody made by hand: with the next bundle, its node's own certificate is not let in.
func (n *synced) failing(ceremony string) []trial {
	const file, copied = "--client-ca-file=/etc/kubernetes/pki/ca.crt", "--client-ca-file=/etc/kubernetes/by-hand.crt"
	manifest := n.m.path("manifests/kube-apiserver.yaml")
	changed := func(ctx context.Context, old, with string) error {
		started := n.v.count()[apiServer]
		if err := rewrite(manifest, manifest, old, with); err != nil {
			return err
		}
		return until(ctx, patience, nil, func() error {
			if n.v.count()[apiServer] == started {
				return errors.New("the API server was not restarted")
			}
			return n.m.ready(ctx, n.m.path("pki/ca.crt"))
		})
	}
	var before map[string]string
	return []trial{
		{"sync: the API server is told of a copy of the former authority", func(ctx context.Context) error {
			former := n.path("ceremony", "authorities", "kubernetes.crt")
			if err := rewrite(former, n.m.path("by-hand.crt"), "", ""); err != nil {
				return err
			}
			return changed(ctx, file, copied)
		}},
		{"sync: the next bundle, with which the API server does not let its node in, is rolled back and named",
			func(ctx context.Context) (err error) {
				if before, err = snapshot(n.m.tree); err != nil {
					return err
				}
				said, err := n.sync(ctx)
				if err := refused(err, "exit status 1"); err != nil {
					return err
				}
				if !strings.Contains(said, "was rolled back: kube-apiserver is not well") {
					return fmt.Errorf("sync says\n%s", said)
				}
				after, err := snapshot(n.m.tree)
				return errors.Join(err, unchanged(before, after), n.site.verify(ctx, n.m.tree))
			}},
		{"sync, rolled back: the API server sees the serial number of before, and all is well", n.allWell},
		{"sync, rolled back: the fleet's status names the node and the reason", func(ctx context.Context) error {
			err := n.fleetStatus(ctx)
			if err := refused(err, "1 node of 1 not well"); err != nil {
				return err
			}
			return refused(err, "failed", "kube-apiserver is not well")
		}},
		{"sync, rolled back: it is not tried again", func(ctx context.Context) error {
			count := n.v.count()
			_, err := n.sync(ctx)
			if !maps.Equal(count, n.v.count()) {
				return fmt.Errorf("started were %v, and now %v", count, n.v.count())
			}
			return refused(err, "and is not tried again")
		}},
		{"sync: with the flag put right, a person installs it, and sync goes on", func(ctx context.Context) error {
			if err := changed(ctx, copied, file); err != nil {
				return err
			}
			said, err := n.install(ctx, n.m.host, ceremony)
			if err != nil {
				return err
			}
			for _, name := range restarts(said) {
				if err := n.restart(ctx, name); err != nil {
					return err
				}
			}
			if err := n.allWell(ctx); err != nil {
				return err
			}
			return n.current(ctx)
		}},
	}
}

// restart restarts a program as a person would who has no crictl.
func (n *synced) restart(ctx context.Context, name string) error {
	if name == kubeletProgram {
		_, err := n.v.run("systemctl", []string{"try-restart", "kubelet.service"})
		return err
	}
	manifest, aside := n.m.path("manifests/"+name+".yaml"), n.m.path(name+".yaml")
	if _, err := os.Stat(manifest); errors.Is(err, os.ErrNotExist) {
		return nil // it does not run here
	}
	if err := os.Rename(manifest, aside); err != nil {
		return err
	}
	err := until(ctx, patience, nil, func() error {
		if said, err := n.v.run("crictl", []string{"ps", "-q", "--name", "^" + name + "$"}); err != nil || said != "" {
			return errors.Join(err, fmt.Errorf("%s still runs", name))
		}
		return nil
	})
	return errors.Join(os.Rename(aside, manifest), err)
}
