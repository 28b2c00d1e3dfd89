package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// check is one thing that has to hold of an installed first control-plane node.
type check struct {
	name string
	run  func(ctx context.Context, k kubeadm, tree string) error
}

// checks is everything kubeadm is asked, and what kubeadm does not look at.
var checks = []check{
	{"kubeadm init phase certs all uses every certificate as it is", certsPhase},
	{"kubeadm init phase kubeconfig all uses every kubeconfig as it is", kubeconfigPhase},
	{"kubeadm certs check-expiration finds all and calls the authorities external", expiration},
	{"kubeadm certs renew all leaves renewal to the external authorities", renewal},
	{"the files are those of a first control-plane node with etcd, no more", complete},
	{"every key belongs to its certificate", func(_ context.Context, _ kubeadm, tree string) error { return pairs(tree) }},
	{"no key of an authority is on the node", func(_ context.Context, _ kubeadm, tree string) error { return noAuthorityKey(tree, "") }},
}

// completeness is which of checks has firstNodeFiles.
const completeness = 4

// firstNodeFiles is what the first control-plane node with etcd has below
// /etc/kubernetes: kubeadm's own files, and server-ca.crt for --root-ca-file.
var firstNodeFiles = []string{
	"admin.conf", "super-admin.conf", "kubelet.conf", "controller-manager.conf", "scheduler.conf",
	"pki/ca.crt", "pki/front-proxy-ca.crt", "pki/etcd/ca.crt", "pki/server-ca.crt", "pki/sa.key", "pki/sa.pub",
	"pki/apiserver.crt", "pki/apiserver.key",
	"pki/apiserver-kubelet-client.crt", "pki/apiserver-kubelet-client.key",
	"pki/apiserver-etcd-client.crt", "pki/apiserver-etcd-client.key",
	"pki/front-proxy-client.crt", "pki/front-proxy-client.key",
	"pki/etcd/server.crt", "pki/etcd/server.key",
	"pki/etcd/peer.crt", "pki/etcd/peer.key",
	"pki/etcd/healthcheck-client.crt", "pki/etcd/healthcheck-client.key",
}

func complete(_ context.Context, _ kubeadm, tree string) error {
	return onlyFiles(tree, firstNodeFiles...)
}

// config is where the node's kubeadm configuration lies in the tree.
const config = "/kubeadm.yaml"

// untouched runs kubeadm on the tree and fails when that fails, warns, or
// changes anything.
func untouched(ctx context.Context, k kubeadm, tree string, args ...string) (answer, error) {
	before, err := snapshot(tree)
	if err != nil {
		return answer{}, err
	}
	a, err := k.run(ctx, tree, append(args, "--config", config)...)
	if err != nil {
		return a, err
	}
	after, err := snapshot(tree)
	if err != nil {
		return a, err
	}
	if err := unchanged(before, after); err != nil {
		return a, err
	}
	if said := warnings(a.stderr); said != "" {
		return a, fmt.Errorf("kubeadm warns\n%s", said)
	}
	return a, nil
}

// itsOwnServer is a warning of kubeadm v1.37.2: without the CA's key it holds the first
// node's kubelet.conf against the cluster's endpoint, though with the key it would write
// the node's own API server, as bundles have it. It goes on.
var itsOwnServer = regexp.MustCompile(`(?m)^W.* a kubeconfig file "/etc/kubernetes/kubelet.conf" exists already ` +
	`but has an unexpected API Server URL: expected: https://api\.demo\.test:\d+, got: https://10\.0\.0\.11:\d+\n`)

// warnings is what kubeadm says on standard error beside that.
func warnings(said string) string { return itsOwnServer.ReplaceAllString(said, "") }

// expect fails unless text has a line for each of what.
func expect(text, line string, what ...string) error {
	for _, w := range what {
		if want := fmt.Sprintf(line, w); !strings.Contains(text, want+"\n") {
			return fmt.Errorf("kubeadm does not say %q\n%s", want, text)
		}
	}
	return nil
}

func certsPhase(ctx context.Context, k kubeadm, tree string) error {
	a, err := untouched(ctx, k, tree, "init", "phase", "certs", "all")
	if err != nil {
		return err
	}
	return errors.Join(
		expect(a.stdout, "[certs] Using existing %s keyless certificate authority", "ca", "front-proxy-ca", "etcd/ca"),
		expect(a.stdout, "[certs] Using existing %s certificate and key on disk", "apiserver", "apiserver-kubelet-client",
			"apiserver-etcd-client", "front-proxy-client", "etcd/server", "etcd/peer", "etcd/healthcheck-client"),
		expect(a.stdout, "[certs] Using existing %s keys", "sa"),
	)
}

func kubeconfigPhase(ctx context.Context, k kubeadm, tree string) error {
	a, err := untouched(ctx, k, tree, "init", "phase", "kubeconfig", "all")
	if err != nil {
		return err
	}
	return expect(a.stdout, "[kubeconfig] External CA mode: Using user provided %s",
		"admin.conf", "super-admin.conf", "kubelet.conf", "controller-manager.conf", "scheduler.conf")
}

// entry is a line of what check-expiration reports.
type entry struct {
	Name              string `json:"name"`
	ExternallyManaged bool   `json:"externallyManaged"`
	Missing           bool   `json:"missing"`
	ResidualTime      int64  `json:"residualTime"` // seconds
}

func expiration(ctx context.Context, k kubeadm, tree string) error {
	a, err := untouched(ctx, k, tree, "certs", "check-expiration", "-o", "json")
	if err != nil {
		return err
	}
	var info struct {
		Certificates           []entry `json:"certificates"`
		CertificateAuthorities []entry `json:"certificateAuthorities"`
	}
	if err := json.Unmarshal([]byte(a.stdout), &info); err != nil {
		return fmt.Errorf("check-expiration: %w\n%s", err, a.stdout)
	}
	if len(info.Certificates) != 11 || len(info.CertificateAuthorities) != 3 {
		return fmt.Errorf("check-expiration lists %d certificates and %d authorities, not 11 and 3", len(info.Certificates), len(info.CertificateAuthorities))
	}
	for _, e := range append(info.Certificates, info.CertificateAuthorities...) {
		switch {
		case e.Missing:
			return fmt.Errorf("check-expiration says that %s is missing", e.Name)
		case !e.ExternallyManaged:
			return fmt.Errorf("check-expiration says that %s is not externally managed", e.Name)
		case e.ResidualTime <= 0:
			return fmt.Errorf("check-expiration says that %s has expired", e.Name)
		}
	}
	return nil
}

func renewal(ctx context.Context, k kubeadm, tree string) error {
	a, err := untouched(ctx, k, tree, "certs", "renew", "all")
	if err != nil {
		return err
	}
	for line := range strings.Lines(a.stdout) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "Detected external ") && !strings.HasPrefix(line, "Done renewing") {
			return fmt.Errorf("kubeadm says %q", line)
		}
	}
	return nil
}
