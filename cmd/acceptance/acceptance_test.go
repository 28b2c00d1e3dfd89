package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestJudge holds the checks and the refusals against a tree made by hand: what
// is shown about Officiant's trees must not depend on anything of Officiant's.
func TestJudge(t *testing.T) {
	k := kubeadm{path: filepath.Join("..", "..", "build", "acceptance", "bin", "kubeadm-"+kubernetesVersion)}
	path, err := filepath.Abs(k.path)
	if err != nil {
		t.Fatal(err)
	}
	k.path = path
	if _, err := os.Stat(k.path); err != nil {
		t.Skip("kubeadm has not been built yet: make acceptance does")
	}
	tree := t.TempDir()
	forgeTree(t, filepath.Join(tree, etcKubernetes))
	data, err := testdata.ReadFile("testdata/" + firstNode + ".yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(tree, config), data, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range checks {
		if err := c.run(t.Context(), k, tree); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	for _, r := range refusals {
		if err := r.show(t.Context(), k, tree, filepath.Join(t.TempDir(), "spoiled")); err != nil {
			t.Errorf("%s: %v", r.name, err)
		}
	}
}

// TestRefusalThatIsNone shows that a refusal fails when nothing is refused, and
// when something else is.
func TestRefusalThatIsNone(t *testing.T) {
	tree := t.TempDir()
	forgeTree(t, filepath.Join(tree, etcKubernetes))
	none := refusal{spoil: func(files) error { return nil }, notice: pairsOf}
	if err := none.show(t.Context(), kubeadm{}, tree, filepath.Join(t.TempDir(), "s")); !errors.Is(err, errUnexpected) {
		t.Errorf("a sound tree: %v", err)
	}
	other := refusal{spoil: strayKey("pki/apiserver.key"), notice: pairsOf, says: "pki/etcd"}
	if err := other.show(t.Context(), kubeadm{}, tree, filepath.Join(t.TempDir(), "s")); err == nil || !strings.Contains(err.Error(), "not for that reason") {
		t.Errorf("another reason: %v", err)
	}
}

func TestUnchanged(t *testing.T) {
	tree := t.TempDir()
	forgeTree(t, filepath.Join(tree, etcKubernetes))
	before, err := snapshot(tree)
	if err != nil {
		t.Fatal(err)
	}
	f := files(filepath.Join(tree, etcKubernetes))
	for want, change := range map[string]func() error{
		"pki/sa.pub is gone":     func() error { return f.remove("pki/sa.pub") },
		"admin.conf was changed": func() error { return os.Chmod(f.path("admin.conf"), 0o644) },
		"pki/ca.crt was changed": func() error { return os.WriteFile(f.path("pki/ca.crt"), []byte("x"), 0o644) },
		"pki/ca.srl is new":      func() error { return f.write("pki/ca.srl", nil) },
		"manifests is new":       func() error { return os.Mkdir(f.path("manifests"), 0o755) },
	} {
		if err := change(); err != nil {
			t.Fatal(err)
		}
		after, err := snapshot(tree)
		if err != nil {
			t.Fatal(err)
		}
		if err := unchanged(before, after); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
}

func TestNoPrivateKey(t *testing.T) {
	dir := t.TempDir()
	if withoutPrivateKey(dir) == nil {
		t.Error("an empty folder is fine")
	}
	if err := files(dir).write("a", []byte("harmless")); err != nil {
		t.Fatal(err)
	}
	if err := withoutPrivateKey(dir); err != nil {
		t.Error(err)
	}
	if err := strayKey("b")(files(dir)); err != nil {
		t.Fatal(err)
	}
	if withoutPrivateKey(dir) == nil {
		t.Error("a private key is not found")
	}
}

func TestOnlyFiles(t *testing.T) {
	tree := t.TempDir()
	forgeTree(t, filepath.Join(tree, etcKubernetes))
	if onlyFiles(tree, "kubelet.conf", "pki/ca.crt") == nil {
		t.Error("a control-plane node passes for a worker")
	}
}

func TestReport(t *testing.T) {
	var out bytes.Buffer
	r := &report{out: &out}
	r.check("one", nil)
	r.check("two", errors.New("no\nbecause\n"))
	r.close()
	if want := "ok   one\nFAIL two: no\n       because\n1 passed, 1 failed\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}

// TestVersion holds the constant against go.mod.
func TestVersion(t *testing.T) {
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(mod, []byte("k8s.io/kubernetes "+kubernetesVersion)) {
		t.Errorf("go.mod does not require k8s.io/kubernetes %s", kubernetesVersion)
	}
	staging := "v0" + strings.TrimPrefix(kubernetesVersion, "v1")
	for line := range strings.Lines(string(mod)) {
		if strings.Contains(line, "=>") && !strings.HasSuffix(strings.TrimSpace(line), staging) {
			t.Errorf("go.mod does not replace by %s: %s", staging, line)
		}
	}
}

// TestPrograms shows that a run without the programs says so.
func TestPrograms(t *testing.T) {
	var out, talk bytes.Buffer
	code, err := run(t.Context(), options{officiant: "none/officiant", node: "none/officiant-node"}, &out, &talk)
	if code != 1 || err == nil || !strings.Contains(err.Error(), "make build") {
		t.Errorf("exit code %d, %v", code, err)
	}
}

// TestCommandFails shows that a command that fails ends the run with its words.
func TestCommandFails(t *testing.T) {
	no, err := exec.LookPath("false")
	if err != nil {
		t.Skip(err)
	}
	var out bytes.Buffer
	r := &report{out: &out}
	c := &conduct{officiant: no, node: no, dir: filepath.Join(t.TempDir(), "run")}
	if c.carryOut(t.Context(), r) == nil || r.failed != 1 || r.passed != 0 {
		t.Errorf("%d passed, %d failed\n%s", r.passed, r.failed, out.String())
	}
}
