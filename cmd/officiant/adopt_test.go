package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"officiant/bundle/kubepki"
	"officiant/bundle/request"
	"officiant/ceremony/ceremonytest"
	"officiant/cmd/internal/exit"
)

// adoptedDesk is a folder with a kubeadm file and the requests of a running cluster.
func adoptedDesk(t *testing.T, change func(string, *request.Adoption)) string {
	t.Helper()
	f := ceremonytest.NewRunning(t).Adopting(t, 1, change)
	must(t, os.Remove(f.PlanFile))
	must(t, os.RemoveAll(filepath.Join(f.Folder, "adopted")))
	put(t, filepath.Join(f.Folder, "kubeadm.yaml"), demoKubeadm)
	return f.Folder
}

func adoptPlan(t *testing.T, dir string) (code int, stderr string) {
	t.Helper()
	code, _, stderr = officiant(t, "ceremony", "adopt", "--kubeadm", filepath.Join(dir, "kubeadm.yaml"),
		"--requests", filepath.Join(dir, "requests"), "--station-grade", "software", "--out", filepath.Join(dir, "plan.yaml"))
	return code, stderr
}

// TestAdopt writes the plan that adopts a cluster; check takes it.
func TestAdopt(t *testing.T) {
	dir := adoptedDesk(t, nil)
	if code, stderr := adoptPlan(t, dir); code != exit.Done {
		t.Fatalf("exit %d\n%s", code, stderr)
	}
	code, stdout, stderr := officiant(t, "ceremony", "check", filepath.Join(dir, "plan.yaml"))
	if code != exit.Done {
		t.Fatalf("exit %d\n%s%s", code, stdout, stderr)
	}
	for _, want := range []string{"kubernetes-former", "adopted, ECDSA-P256", "made by kubeadm; nodes keep",
		"certifies 3 authorities", "carried over: admin.conf"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("not shown: %q\n%s", want, stdout)
		}
	}
	if code, stderr := adoptPlan(t, dir); code != exit.Usage || !strings.Contains(stderr,
		"plans are never overwritten") {
		t.Errorf("a second time: exit %d\n%s", code, stderr)
	}
}

// What cannot be adopted is refused, and nothing is written.
func TestAdoptRefused(t *testing.T) {
	other := ceremonytest.NewRunning(t)
	for name, tt := range map[string]struct {
		change func(string, *request.Adoption)
		spoil  func(dir string)
		want   string
	}{
		"another authority": {func(node string, a *request.Adoption) {
			if node == "worker-1" {
				a.Authorities[kubepki.KubernetesAuthority] = other.Authorities[kubepki.KubernetesAuthority]
			}
		}, nil, "nodes cp-1 and worker-1 trust different kubernetes authorities: CN=kubernetes (serial number"},
		"a request that brings nothing": {nil, func(dir string) {
			must(t, os.Remove(filepath.Join(dir, "requests/worker-1.req")))
			sendRequest(t, filepath.Join(dir, "requests"), demoWorker)
		},
			"requests/worker-1.req: does not bring along what node worker-1 has"},
		"an old release": {nil, func(dir string) {
			put(t, filepath.Join(dir, "kubeadm.yaml"), strings.Replace(demoKubeadm, "v1.37.2", "v1.30.4", 1))
		}, "the cluster is of Kubernetes v1.30.4, whose kubeadm takes a kubeconfig with exactly one authority"},
	} {
		dir := adoptedDesk(t, tt.change)
		if tt.spoil != nil {
			tt.spoil(dir)
		}
		code, stderr := adoptPlan(t, dir)
		if code != exit.Refused || !strings.Contains(stderr, tt.want) {
			t.Errorf("%s: exit %d\n%s", name, code, stderr)
		}
		for _, file := range []string{"plan.yaml", "adopted"} {
			if _, err := os.Lstat(filepath.Join(dir, file)); err == nil {
				t.Errorf("%s: %s was written", name, file)
			}
		}
	}
}

// However people would bring a CA key into a token, they are told why there is no
// way, and what there is in its place; the file is not opened.
func TestNoImport(t *testing.T) {
	key := filepath.Join(t.TempDir(), "ca.key")
	for _, args := range [][]string{
		{"signer", "import", key},
		{"signer", "import", "--label", "demo/root", key, "pkcs11:token=x"},
		{"signer", "create", "pkcs11:token=x", "--import", key, "--algorithm", "RSA-2048"},
	} {
		code, stdout, stderr := officiant(t, args...)
		for _, want := range []string{"no CA key is imported into a token", "could have been copied",
			"officiant ceremony adopt"} {
			if code != exit.Refused || stdout != "" || !strings.Contains(strings.Join(strings.Fields(stderr), " "), want) {
				t.Errorf("%q: exit %d, not told %q\n%s%s", args, code, want, stdout, stderr)
			}
		}
	}
}
