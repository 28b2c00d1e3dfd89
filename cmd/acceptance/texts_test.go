package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestPreflightNames(t *testing.T) {
	a := answer{stderr: "\t[WARNING FileAvailable--a]: there\n\t[ERROR CRI]: x\n\t[ERROR FileAvailable--etc-b]: there\n\t[ERROR FileAvailable--etc-a]: there\n"}
	if got := available(a); !slices.Equal(got, []string{"FileAvailable--etc-a", "FileAvailable--etc-b"}) {
		t.Errorf("found %q", got)
	}
	rest, ignored := splitIgnored([]string{"join", ignoring + "a,b", "--node-name", "x"})
	if !slices.Equal(rest, []string{"join", "--node-name", "x"}) || !slices.Equal(ignored, []string{"a", "b"}) {
		t.Errorf("parted into %q and %q", rest, ignored)
	}
}

func TestReadmeLine(t *testing.T) {
	c := &conduct{dir: t.TempDir()}
	folder := c.path("ceremony", "bundles", "n")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"a\n\n    kubeadm join --x \\\n      --y z\n\nkubeadm\n": "join --x --y z",
		"    officiant-node status\n":                            "",
	} {
		if err := os.WriteFile(filepath.Join(folder, "README.txt"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		got, err := c.readmeLine("n")
		if strings.Join(got, " ") != want || (err == nil) != (want != "") {
			t.Errorf("%q is read as %q, %v", text, got, err)
		}
	}
}

func TestGrants(t *testing.T) {
	const binding = "name: b\nroleRef:\n  apiGroup: g\n  kind: ClusterRole\n  name: r\nsubjects:\n- kind: User\n  name: u\n"
	const turned = "name: b\nroleRef:\n  kind: ClusterRole\n  name: r\nsubjects:\n- apiGroup: g\n  kind: User\n  name: u\n\nname: other\n"
	if a, b := grants(binding, "name: b\n"), grants(turned, "name: b\n"); a != b || !strings.Contains(a, "name: u") {
		t.Errorf("%q and %q", a, b)
	}
	for _, other := range []string{strings.Replace(binding, "name: r", "name: cluster-admin", 1), strings.Replace(binding, "User", "Group", 1), binding + "- kind: User\n  name: v\n", ""} {
		if grants(other, "name: b\n") == grants(binding, "name: b\n") {
			t.Errorf("passes for the same:\n%s", other)
		}
	}
}

// TestBlocks: a block that is typed nowhere is not taken, and one that fails says so.
func TestBlocks(t *testing.T) {
	got := blocksOf("```sh a\none\n```\n```\nnever\n```\n```sh b kubeadm\ntwo\nthree\n```\n```sh\nneither\n```\n")
	if want := []block{{"a", "one\n", false}, {"b", "two\nthree\n", true}}; !slices.Equal(got, want) {
		t.Errorf("%+v", got)
	}
	dir := t.TempDir()
	if err := typeBlock(t.Context(), dir, block{place: "a", text: "echo fine >stick.txt\n"}); err != nil {
		t.Error(err)
	}
	for _, b := range []block{{place: "a", text: "false | true\n"}, {place: "a", text: "echo WARNING\n", kubeadm: true}} {
		if typeBlock(t.Context(), dir, b) == nil {
			t.Errorf("%q is fine", b.text)
		}
	}
}

// One warning is expected, and no other is taken for it.
func TestWarnings(t *testing.T) {
	const head = `W1129 19:14:46.510097   26733 kubeconfig.go:291] a kubeconfig file "/etc/kubernetes/`
	const tail = ` exists already but has an unexpected API Server URL: ` +
		`expected: https://api.demo.test:6443, got: https://`
	for said, want := range map[string]bool{
		"": false,
		head + `kubelet.conf"` + tail + "10.0.0.11:6443\n":   false,
		head + `kubelet.conf"` + tail + "10.0.0.12:6443\n":   true,
		head + `scheduler.conf"` + tail + "10.0.0.11:6443\n": true,
		"W1129 something else\n":                             true,
	} {
		if got := warnings(said) != ""; got != want {
			t.Errorf("%q: %t", said, got)
		}
	}
}

// TestMergedOnline: the KubeletConfiguration of a cluster with an online signer comes
// beside what the node's own file has.
func TestMergedOnline(t *testing.T) {
	own, err := testdata.ReadFile("testdata/cluster/first.yaml")
	if err != nil {
		t.Fatal(err)
	}
	const part = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\ncontrollerManager: {}\n---\n" +
		"apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nserverTLSBootstrap: true\n"
	got, err := merged(own, part)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"kind: ClusterConfiguration\ncontrollerManager: {}\n", "  name: NODE\n",
		"---\napiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nserverTLSBootstrap: true\n"} {
		if !strings.Contains(string(got), want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
	const other = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n---\nkind: Other\n"
	if _, err := merged(own, other); err == nil {
		t.Error("another part is taken")
	}
}
