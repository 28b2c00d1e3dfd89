package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"officiant/bundle/bundletest"
	"officiant/bundle/durable"
	"officiant/bundle/install"
	"officiant/bundle/seal"
	"officiant/cmd/internal/exit"
)

const adoptedKubeadm = `apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
clusterName: demo
kubernetesVersion: v1.37.2
controlPlaneEndpoint: api.demo.test:6443
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
nodeRegistration: {name: cp-1}
localAPIEndpoint: {advertiseAddress: 10.0.0.11}
`

// TestAdopt makes the request of a control-plane node that kubeadm set up.
func TestAdopt(t *testing.T) {
	dir := t.TempDir()
	root, out, config := filepath.Join(dir, "root"), filepath.Join(dir, "cp-1.req"), filepath.Join(dir, "kubeadm.yaml")
	if err := os.WriteFile(config, []byte(adoptedKubeadm), 0o600); err != nil {
		t.Fatal(err)
	}
	p := bundletest.New(t, bundletest.Cluster())
	n := p.NewNode(t, bundletest.First())
	former := p.Former(t)
	adopt := func(more ...string) run {
		return onNode(t.Context(), &durable.Disk{}, append([]string{"request", "--adopt", "--kubeadm", config, "--roles", "control-plane,etcd", "--root", root, "--out", out}, more...)...)
	}
	if err := os.Mkdir(root, 0o755); err != nil {
		t.Fatal(err)
	}
	r := adopt()
	if r.code != exit.Refused || !strings.Contains(r.stderr, "cannot be adopted as it is") || len(files(t, root)) > 0 {
		t.Errorf("an empty node: exit code %d: %s", r.code, r.stderr)
	}
	p.WriteFormer(t, root, n, former)
	before := files(t, filepath.Join(root, "etc"))
	for _, wrong := range [][]string{{"--extra", "kubelet-server"}, {"--csr-dir", root}} {
		if r := adopt(wrong...); r.code != exit.Usage {
			t.Errorf("%v: exit code %d: %s", wrong, r.code, r.stderr)
		}
	}
	if r = adopt(); r.code != exit.Done {
		t.Fatal(r.stderr)
	}
	for _, want := range []string{"CN=kubernetes, until", "CN=front-proxy-ca, until", "were not opened: etc/kubernetes/pki/ca.key, etc/kubernetes/pki/etcd/ca.key"} {
		if !strings.Contains(r.stderr, want) {
			t.Errorf("does not say %q:\n%s", want, r.stderr)
		}
	}
	if after := files(t, filepath.Join(root, "etc")); len(after) != len(before) {
		t.Error("etc/kubernetes was changed")
	}
	o := opened(t, out)
	if len(o.Adoption.Authorities) != 3 || len(o.Adoption.Leaves) != len(o.CSRs) || o.Previous != nil {
		t.Errorf("%d authorities, %d leaves, %v", len(o.Adoption.Authorities), len(o.Adoption.Leaves), o.Previous)
	}
	identity, err := install.OpenState(root, &durable.Disk{}).Identity()
	if err != nil {
		t.Fatal(err)
	}
	opened, err := seal.Open(identity, o.Adoption.AccountSealed)
	if err != nil || string(opened) != before["kubernetes/pki/sa.key"] {
		t.Errorf("sa.key is not sealed to the node as it is: %v", err)
	}
	data, err := os.ReadFile(out)
	if err != nil || strings.Contains(string(data), "PRIVATE KEY") {
		t.Errorf("the request holds a private key: %v", err)
	}
}
