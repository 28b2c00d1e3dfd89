package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSupervisor: the stand-in knows what sync asks of crictl and systemctl, and says no
// to everything else.
func TestSupervisor(t *testing.T) {
	v, err := supervise(&machine{tree: t.TempDir(), logs: t.TempDir()}, &kubeletNode{})
	if err != nil {
		t.Fatal(err)
	}
	defer v.close()
	if said, err := v.run("crictl", []string{"ps", "-q", "--name", "^etcd$"}); err != nil || said != "" {
		t.Errorf("%q, %v", said, err)
	}
	for _, call := range []string{
		"crictl stop 1", "crictl rm 1", "systemctl is-active --quiet kubelet.service",
		"systemctl is-active --quiet kube-proxy.service", "systemctl restart kubelet.service",
	} {
		words := strings.Fields(call)
		if said, err := v.run(words[0], words[1:]); err == nil {
			t.Errorf("%s: %q", call, said)
		}
	}
}

func TestOnlyThese(t *testing.T) {
	before := map[string]int{etcd: 1, apiServer: 1, controllerManager: 1, scheduler: 1}
	after := map[string]int{etcd: 1, apiServer: 2, controllerManager: 3, scheduler: 1}
	if err := onlyThese(before, after, []string{apiServer, controllerManager}); err != nil {
		t.Error(err)
	}
	for _, named := range [][]string{{apiServer, etcd}, {controllerManager}, {apiServer, kubeletProgram}} {
		if onlyThese(before, after, named) == nil {
			t.Errorf("%q are what was restarted", named)
		}
	}
}

// TestApart: the pair does not fit, and is what it was at the end.
func TestApart(t *testing.T) {
	tree := t.TempDir()
	forgeTree(t, filepath.Join(tree, etcKubernetes))
	m := &machine{tree: tree}
	key := m.path("pki/apiserver.key")
	own, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	together, err := m.apart("apiserver")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pair(m.path("pki/apiserver")); err == nil || !strings.Contains(err.Error(), mismatch) {
		t.Errorf("apart: %v", err)
	}
	if err := together(); err != nil {
		t.Fatal(err)
	}
	if now, err := os.ReadFile(key); err != nil || !bytes.Equal(now, own) {
		t.Errorf("it is not what it was: %v", err)
	}
}
