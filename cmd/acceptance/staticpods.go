package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// kubeadm writes the static pods, whose command lines the components get.

// kubeadm runs kubeadm on the machine.
func (m *machine) kubeadm(ctx context.Context, args ...string) error {
	_, err := kubeadm{path: m.at["kubeadm"]}.run(ctx, m.tree, args...)
	return err
}

// lay puts into the tree what a machine has besides its installed files, and has
// kubeadm write the static pods: kubeadm init's phases on the first node, kubeadm
// join's on the others, with the line of their README.txt.
func (s *site) lay(m *machine) func(context.Context) error {
	return func(ctx context.Context) error {
		if err := m.furnish(); err != nil {
			return err
		}
		if m.host != s.hosts[0] {
			return s.join(ctx, m)
		}
		return s.init(ctx, m)
	}
}

// init is for the first node, from the configuration its operator completed as
// the bundle's README.txt says.
func (s *site) init(ctx context.Context, m *machine) error {
	own, err := os.ReadFile(s.config(m.host))
	if err != nil {
		return err
	}
	part, err := s.bundleFile(m.name, "officiant/kubeadm.yaml")
	if err != nil {
		return err
	}
	completed, err := merged(own, part)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(m.tree, config), completed, 0o644); err != nil {
		return err
	}
	return errors.Join(
		m.kubeadm(ctx, "init", "phase", "control-plane", "all", "--config", config),
		m.kubeadm(ctx, "init", "phase", "etcd", "local", "--config", config))
}

// upload has the first node tell the cluster what kubeadm join asks it for: with a
// file of its own, cluster-info, too. The kubelet's part wants a node to note
// something on.
func (s *site) upload(ctx context.Context) error {
	first := s.machines[0]
	return errors.Join(s.register(ctx, first, first.name),
		first.kubeadm(ctx, "init", "phase", "upload-config", "all", "--config", config),
		first.kubeadm(ctx, "init", "phase", "bootstrap-token", "--config", config))
}

// join is for the further nodes. Their etcd's command line is the first one's for
// another name and address: kubeadm would look for the pods of those that run.
func (s *site) join(ctx context.Context, m *machine) error {
	line, err := s.readmeLine(m.name)
	if err != nil {
		return err
	}
	if err := s.joinFile(m.name, m.tree); err != nil {
		return err
	}
	args, _ := splitIgnored(line[1:]) // preflight is a phase of its own
	if err := m.kubeadm(ctx, append([]string{"join", "phase", "control-plane-prepare", "all"}, args...)...); err != nil {
		return err
	}
	first := s.machines[0]
	pod, err := os.ReadFile(first.path("manifests/etcd.yaml"))
	if err != nil {
		return err
	}
	text := strings.NewReplacer(first.name, m.name, first.address, m.address).Replace(string(pod))
	return os.WriteFile(m.path("manifests/etcd.yaml"), []byte(text), 0o600)
}
