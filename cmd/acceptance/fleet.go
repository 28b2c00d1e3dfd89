package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// host is a node of a fleet. One without an address is a worker.
type host struct{ name, address string }

func (m host) controlPlane() bool { return m.address != "" }

// fleet is a cluster's nodes and ceremonies below one folder, made with the
// documented commands of the two programs and nothing else.
type fleet struct {
	conduct
	cluster string
	hosts   []host // the first is the one that runs kubeadm init
	crls    bool   // the first ceremony makes revocation lists
	// online says that the first ceremony makes the authorities of an online signer; what
	// it may sign, the grant adds to that ceremony's plan.
	online bool
	grant  func(ctx context.Context, plan string) error
}

// begin makes the first ceremony and installs its bundles. The root is another
// fleet's when peer is given.
func (f *fleet) begin(ctx context.Context, peer *fleet) error {
	if err := os.RemoveAll(f.dir); err != nil {
		return err
	}
	for _, m := range f.hosts {
		if err := f.ask(ctx, m); err != nil {
			return err
		}
	}
	station := f.path("station.yaml")
	if peer == nil {
		tokens := []string{"softhsm", "init", "--dir", f.room(), "--station", station}
		if f.online {
			tokens = append(tokens, "--online-signer")
		}
		if _, err := f.command(ctx, f.officiant, tokens...); err != nil {
			return err
		}
	}
	plan := []string{"ceremony", "new", "--kubeadm", f.config(f.hosts[0]),
		"--requests", f.path("plan", "requests"), "--station-grade", "software", "--out", f.path("plan", "plan.yaml")}
	if f.crls {
		plan = append(plan, "--crls", "1y")
	}
	if f.online {
		plan = append(plan, "--online-signer")
	}
	var before []string
	if peer != nil {
		before = []string{peer.path("ceremony")}
		plan = append(plan, "--previous", before[0])
		// The root's token has the peer's name in its key's label.
		if err := rewrite(peer.path("station.yaml"), station, "token=officiant-root;",
			"token=officiant-root;object="+peer.cluster+"%2Froot;"); err != nil {
			return err
		}
	}
	if _, err := f.command(ctx, f.officiant, plan...); err != nil {
		return err
	}
	if f.grant != nil {
		if err := f.grant(ctx, f.path("plan", "plan.yaml")); err != nil {
			return err
		}
	}
	if err := f.perform(ctx, "plan", "ceremony", before...); err != nil {
		return err
	}
	for _, m := range f.hosts {
		if _, err := f.install(ctx, m, "ceremony"); err != nil {
			return err
		}
	}
	return nil
}

// ask has a node make its keys and its request.
func (f *fleet) ask(ctx context.Context, m host) error {
	requests := f.path("plan", "requests")
	for _, folder := range []string{requests, f.root(m.name)} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
	}
	args := []string{"request", "--root", f.root(m.name), "--out", filepath.Join(requests, m.name+".req")}
	if !m.controlPlane() {
		_, err := f.command(ctx, f.node, append(args, "--roles", "worker", "--name", m.name, "--cluster", f.cluster,
			"--kubernetes-version", kubernetesVersion, "--control-plane-endpoint", f.endpoint()+":6443")...)
		return err
	}
	kind := "joining"
	if m == f.hosts[0] {
		kind = "first"
	}
	if err := f.configure(kind, m, f.config(m)); err != nil {
		return err
	}
	_, err := f.command(ctx, f.node, append(args, "--roles", "control-plane,etcd", "--kubeadm", f.config(m))...)
	return err
}

func (f *fleet) endpoint() string { return "api." + f.cluster + ".test" }

// config is the kubeadm configuration a node makes its request from.
func (f *fleet) config(m host) string { return f.path("plan", m.name+".yaml") }

func (f *fleet) configure(kind string, m host, path string) error {
	data, err := testdata.ReadFile("testdata/cluster/" + kind + ".yaml")
	if err != nil {
		return err
	}
	text := strings.NewReplacer("CLUSTER", f.cluster, "VERSION", kubernetesVersion, "NODE", m.name, "ADDRESS", m.address).Replace(string(data))
	return os.WriteFile(path, []byte(text), 0o644)
}

// rewrite writes the text of from to a file, with old, which it must hold, replaced.
func rewrite(from, to, old, with string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if !strings.Contains(string(text), old) {
		return fmt.Errorf("%s does not hold %q", from, old)
	}
	return os.WriteFile(to, []byte(strings.Replace(string(text), old, with, 1)), 0o644)
}

// perform checks a plan, runs it, and verifies what came out, with the directories
// of the ceremonies before it.
func (f *fleet) perform(ctx context.Context, folder, ceremony string, previous ...string) error {
	plan, station, dir := f.path(folder, "plan.yaml"), f.path("station.yaml"), f.path(ceremony)
	digest, err := f.digest(ctx, plan, station)
	if err != nil {
		return err
	}
	if _, err := f.command(ctx, f.officiant, "ceremony", "run", plan, "--station", station, "--dir", dir, "--confirm", digest); err != nil {
		return err
	}
	verify := []string{"ceremony", "verify", dir, "--release-key", f.path("ceremony", "release.pub")}
	for _, p := range previous {
		verify = append(verify, "--previous", p)
	}
	_, err = f.command(ctx, f.officiant, verify...)
	return err
}

// reissue makes a further ceremony, which gives every node new certificates and
// opens no root key.
func (f *fleet) reissue(ctx context.Context, previous, ceremony string) error {
	folder := "plan-" + ceremony
	if err := os.CopyFS(f.path(folder, "requests"), os.DirFS(f.path("plan", "requests"))); err != nil {
		return err
	}
	if _, err := f.command(ctx, f.officiant, "ceremony", "new", "--kubeadm", f.config(f.hosts[0]), "--previous", f.path(previous),
		"--requests", f.path(folder, "requests"), "--station-grade", "software", "--out", f.path(folder, "plan.yaml")); err != nil {
		return err
	}
	return f.perform(ctx, folder, ceremony, f.path(previous))
}

// install installs a node's bundle and returns what install says.
func (f *fleet) install(ctx context.Context, m host, ceremony string) (string, error) {
	said, err := f.command(ctx, f.node, "install", f.path(ceremony, "bundles", m.name+".tar"),
		"--release-key", f.path("ceremony", "release.pub"), "--root", f.root(m.name))
	return string(said), err
}

// verify has officiant-node look at what is installed below tree.
func (f *fleet) verify(ctx context.Context, tree string) error {
	_, err := f.command(ctx, f.node, "verify", "--root", tree, "--release-key", f.path("ceremony", "release.pub"))
	return err
}
