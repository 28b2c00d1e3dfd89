package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"officiant/bundle/bundletest"
	"officiant/bundle/durable"
	"officiant/cmd/internal/exit"
)

// TestOthersTrees: --adopt and --reuse-keys on trees as others leave them, with links
// that begin with / and mean files of the tree, and kubeconfigs that name files.
func TestOthersTrees(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(dir, "kubeadm.yaml")
	if err := os.WriteFile(config, []byte(adoptedKubeadm), 0o600); err != nil {
		t.Fatal(err)
	}
	p := bundletest.New(t, bundletest.Cluster())
	n := p.NewNode(t, bundletest.First())
	former := p.Former(t)
	move := func(t *testing.T, root, from, to string) { // and leave an absolute link
		t.Helper()
		at := filepath.Join(root, to)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(root, from), at); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("/"+to, filepath.Join(root, from)); err != nil {
			t.Fatal(err)
		}
	}
	remove := func(t *testing.T, root, name string) {
		t.Helper()
		if err := os.Remove(filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	const kubernetes = "etc/kubernetes/"
	for name, tt := range map[string]struct {
		change func(t *testing.T, root string)
		says   string // of --adopt; "" where it is taken
	}{
		"files are links": {func(t *testing.T, root string) {
			move(t, root, kubernetes+"admin.conf", "srv/admin.conf")
		}, ""},
		"pki is a link":        {func(t *testing.T, root string) { move(t, root, kubernetes+"pki", "srv/pki") }, ""},
		"kubernetes is a link": {func(t *testing.T, root string) { move(t, root, "etc/kubernetes", "srv/kubernetes") }, ""},
		"no key": {func(t *testing.T, root string) { remove(t, root, kubernetes+"pki/apiserver.key") },
			"apiserver.crt: is there, and its private key /etc/kubernetes/pki/apiserver.key is not; move it away, and"},
		"no certificate": {func(t *testing.T, root string) { remove(t, root, kubernetes+"pki/apiserver.crt") },
			"apiserver.crt: is not there, and its private key /etc/kubernetes/pki/apiserver.key is; move that away"},
		"neither": {func(t *testing.T, root string) {
			remove(t, root, kubernetes+"pki/apiserver.crt")
			remove(t, root, kubernetes+"pki/apiserver.key")
		}, "apiserver.crt: is not there; while its authority's key is at hand, kubeadm init phase certs apiserver makes it"},
		"an empty certificate": {func(t *testing.T, root string) {
			bundletest.WriteFile(t, filepath.Join(root, kubernetes+"pki/apiserver.crt"), nil)
		}, "apiserver.crt: is empty"},
		"a key for a certificate": {func(t *testing.T, root string) {
			data, err := os.ReadFile(filepath.Join(root, kubernetes+"pki/apiserver.key"))
			if err != nil {
				t.Fatal(err)
			}
			bundletest.WriteFile(t, filepath.Join(root, kubernetes+"pki/apiserver.crt"), data)
		}, "apiserver.crt: holds a private key and no certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			root := filepath.Join(t.TempDir(), "root")
			if err := os.Mkdir(root, 0o755); err != nil {
				t.Fatal(err)
			}
			p.WriteFormer(t, root, n, former)
			tt.change(t, root)
			for _, kind := range []string{"--adopt", "--reuse-keys"} {
				if kind == "--reuse-keys" && tt.says != "" {
					continue
				}
				r := onNode(t.Context(), &durable.Disk{}, "request", kind, "--kubeadm", config, "--roles", "control-plane,etcd",
					"--root", root, "--out", filepath.Join(t.TempDir(), "n.req"))
				switch {
				case tt.says == "" && r.code != exit.Done:
					t.Errorf("%s: exit code %d: %s", kind, r.code, r.stderr)
				case tt.says != "" && (r.code != exit.Refused ||
					!strings.Contains(strings.Join(strings.Fields(r.stderr), " "), tt.says)):
					t.Errorf("%s: exit code %d: %s\nwant %s", kind, r.code, r.stderr, tt.says)
				}
			}
		})
	}
}

// TestFlagsOwnValue: a flag whose own value is wrong is not told to override a file, and a
// name is quoted that would be read as something else.
func TestFlagsOwnValue(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(dir, "kubeadm.yaml")
	bundletest.WriteFile(t, config, []byte("apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n"+
		"clusterName: |\n  demo\nkubernetesVersion: v1.37.2\ncontrolPlaneEndpoint: api.demo.test:6443\n"))
	for says, flags := range map[string][]string{
		`cluster "demo\n": name: "demo\n" is not`: {"--name", "worker-1"},
		`node "worker 1": name: "worker 1" is`:    {"--name", "worker 1", "--cluster", "demo"},
		`node "worker-1\n": name: "worker-1\n"`:   {"--name", "worker-1\n", "--cluster", "demo"},
		`cluster a/b: name: "a/b" is not`:         {"--name", "worker-1", "--cluster", "a/b"},
	} {
		r := onNode(t.Context(), &durable.Disk{}, append([]string{"request", "--kubeadm", config, "--roles", "worker",
			"--root", filepath.Join(dir, "root"), "--out", filepath.Join(dir, "n.req")}, flags...)...)
		own := slices.Contains(flags, "--cluster")
		if r.code != exit.Refused || !strings.Contains(r.stderr, says) ||
			strings.Contains(r.stderr, "overrides the file's") == own {
			t.Errorf("%q: exit code %d: %s", flags, r.code, r.stderr)
		}
	}
}

// TestFlagsGoBefore: where a flag says better what is wrong in a file, the refusal names
// it, and it brings the user further.
func TestFlagsGoBefore(t *testing.T) {
	const good = "clusterName: demo\nkubernetesVersion: v1.37.2\ncontrolPlaneEndpoint: api.demo.test:6443\n"
	const node = "name: cp-1}\nlocalAPIEndpoint: {advertiseAddress: 10.0.0.11}\n"
	for name, tt := range map[string]struct{ old, new, hint, flag, value string }{
		"cluster": {"clusterName: demo", "clusterName: a demo", "--cluster NAME", "--cluster", "demo"},
		"version": {"v1.37.2", "stable-1", "--kubernetes-version VERSION", "--kubernetes-version", "v1.37.2"},
		"endpoint": {"api.demo.test:6443", "https://api.demo.test", "--control-plane-endpoint HOST:PORT",
			"--control-plane-endpoint", "api.demo.test"},
		"address":  {"10.0.0.11", "cp-1.test", "--address IP", "--address", "10.0.0.11"},
		"loopback": {"10.0.0.11", "127.0.0.1", "--address IP", "--address", "10.0.0.11"},
		"name":     {"name: cp-1", "name: cp_1", "--name NAME", "--name", "cp-1"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			config := filepath.Join(dir, "kubeadm.yaml")
			text := "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n" + good +
				"---\napiVersion: kubeadm.k8s.io/v1beta4\nkind: InitConfiguration\nnodeRegistration: {" + node
			bundletest.WriteFile(t, config, []byte(strings.Replace(text, tt.old, tt.new, 1)))
			request := func(more ...string) run {
				return onNode(t.Context(), &durable.Disk{}, append([]string{"request", "--kubeadm", config, "--roles",
					"control-plane,etcd", "--root", filepath.Join(dir, "root"), "--out", filepath.Join(dir, "n.req")}, more...)...)
			}
			if r := request(); r.code != exit.Refused || !strings.Contains(r.stderr, tt.hint) {
				t.Errorf("exit code %d, does not name %s: %s", r.code, tt.hint, r.stderr)
			}
			if r := request(tt.flag, tt.value); r.code != exit.Done {
				t.Errorf("with %s %s: exit code %d: %s", tt.flag, tt.value, r.code, r.stderr)
			}
		})
	}
}
