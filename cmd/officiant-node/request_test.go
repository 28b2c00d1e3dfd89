package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"officiant/bundle/durable"
	"officiant/bundle/install"
	"officiant/bundle/kubepki"
	"officiant/bundle/request"
	"officiant/bundle/seal"
	"officiant/cmd/internal/commandtest"
	"officiant/cmd/internal/exit"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"officiant-node": main})
}

// The scripts are what people do with `officiant-node request`.
func TestScripts(t *testing.T) {
	folder, err := filepath.Abs(filepath.Join("..", "..", "bundle", "request", "testdata"))
	if err != nil {
		t.Fatal(err)
	}
	programs := ""
	if commandtest.Covered() { // this test's own program, started again, would not count
		programs = t.TempDir() // absolute: a script has a folder of its own
		if err := commandtest.Build(filepath.Join("..", ".."), programs, "officiant-node", "0"); err != nil {
			t.Fatal(err)
		}
	}
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Setup: func(env *testscript.Env) error {
			env.Setenv("KUBEADM", folder)
			if programs != "" {
				env.Setenv("PATH", programs+string(filepath.ListSeparator)+env.Getenv("PATH"))
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "mode": mode, "fingerprint": tarFingerprint},
	})
}

// exits CODE COMMAND… runs a command and wants its exit code.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	got := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if strconv.Itoa(got) != args[0] {
		ts.Fatalf("exit code %d, want %s", got, args[0])
	}
}

// mode MODE PATH… wants the files to have that mode, and to be there.
func mode(ts *testscript.TestScript, _ bool, args []string) {
	for _, path := range args[1:] {
		info, err := os.Stat(ts.MkAbs(path))
		ts.Check(err)
		if got := strconv.FormatUint(uint64(info.Mode().Perm()), 8); got != args[0] {
			ts.Fatalf("%s has mode %s, want %s", path, got, args[0])
		}
	}
}

// fingerprint FILE puts the fingerprint of a request into $FINGERPRINT, as
// anybody can compute it.
func tarFingerprint(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(ts.Exec("sh", "-ec", `tar xOf "$1" request.json | sha256sum`, "sh", args[0]))
	sum, _, _ := strings.Cut(ts.ReadFile("stdout"), " ")
	ts.Setenv("FINGERPRINT", sum)
}

type run struct {
	code           int
	stdout, stderr string
}

// onNode runs a command line in this process, on a disk that may fail.
func onNode(ctx context.Context, d *durable.Disk, args ...string) run {
	var stdout, stderr bytes.Buffer
	o := &options{
		Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr, Disk: d, Rand: rand.Reader,
		Now:      func() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) },
		Hostname: func() (string, error) { return "Worker-7.Example.Test", nil },
	}
	code := execute(ctx, o, args)
	return run{code, stdout.String(), stderr.String()}
}

func workerRequest(root, out string) []string {
	return []string{"request", "--roles", "worker", "--cluster", "demo", "--control-plane-endpoint", "api.demo.test:6443", "--root", root, "--out", out}
}

func opened(t *testing.T, path string) *request.Opened {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	o, err := request.Parse(path, data)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestNameDefaultsToTheHosts(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, "w.req")
	r := onNode(t.Context(), &durable.Disk{}, workerRequest(filepath.Join(dir, "root"), out)...)
	if r.code != exit.Done {
		t.Fatal(r.stderr)
	}
	o := opened(t, out)
	if o.Node.Name != "worker-7.example.test" || o.Cluster.Naming != kubepki.NamingKubeadm || o.Cluster.KubernetesVersion != kubepki.Newest() {
		t.Errorf("node %q, cluster %+v", o.Node.Name, o.Cluster)
	}
	if cn := o.CSR["kubelet.conf"].Subject.CommonName; cn != "system:node:worker-7.example.test" {
		t.Errorf("CN %q", cn)
	}
	if r.stdout != "" {
		t.Errorf("stdout %q", r.stdout)
	}
}

func TestInterruptedBeforeAKey(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := t.TempDir()
	r := onNode(ctx, &durable.Disk{}, workerRequest(dir, filepath.Join(dir, "w.req"))...)
	if r.code != exit.Interrupted {
		t.Errorf("exit code %d: %s", r.code, r.stderr)
	}
}

// The process dies at each operation in turn; the same command then goes on.
// No key on disk is lost or replaced, and nothing half is left.
func TestKilledAtEveryOperation(t *testing.T) {
	died := errors.New("the process died")
	for at := 1; ; at++ {
		for _, torn := range []bool{false, true} {
			dir := t.TempDir()
			root, out := filepath.Join(dir, "root"), filepath.Join(dir, "w.req")
			n, dead := 0, false
			disk := &durable.Disk{Gate: func(op durable.Op, _ string) error {
				if n++; n == at && torn && op == durable.OpWrite {
					dead = true
					return durable.ErrTorn
				}
				if dead || n == at {
					dead = true
					return died
				}
				return nil
			}}
			first := onNode(t.Context(), disk, workerRequest(root, out)...)
			if !dead {
				if first.code != exit.Done || at < 20 {
					t.Fatalf("after %d operations: %s", n, first.stderr)
				}
				return
			}
			if first.code != exit.Failure {
				t.Errorf("operation %d: exit code %d", at, first.code)
			}
			before := files(t, dir)
			if _, ok := before["w.req"]; ok { // it died after the request was in place
				opened(t, out)
				continue
			}
			second := onNode(t.Context(), &durable.Disk{}, workerRequest(root, out)...)
			if second.code != exit.Done {
				t.Errorf("operation %d, again: %s", at, second.stderr)
				continue
			}
			after := files(t, dir)
			for name, content := range before {
				keep := strings.HasSuffix(name, ".key") || strings.HasSuffix(name, "identity.txt")
				if keep && after[name] != content {
					t.Errorf("operation %d: %s was replaced", at, name)
				}
			}
			o := opened(t, out)
			recipient, err := install.OpenState(root, disk).Recipient()
			if err != nil || o.Recipient != seal.Plain(recipient) {
				t.Errorf("operation %d: recipient %s, the state's is %s, %v", at, o.Recipient, recipient, err)
			}
			if kept := after["root/var/lib/officiant-node/worker-7.example.test.req"]; kept != after["w.req"] {
				t.Errorf("operation %d: the request kept is not the one sent", at)
			}
			if slices.ContainsFunc(slices.Collect(maps.Keys(after)), durable.IsTemp) {
				t.Errorf("operation %d: leftovers in %v", at, slices.Sorted(maps.Keys(after)))
			}
		}
	}
}

// files reads all below dir; a temporary file that is not the resumed run's
// business (beside --out) is not counted.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || durable.IsTemp(path) && filepath.Dir(path) == dir {
			return err
		}
		data, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		found[filepath.ToSlash(name)] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
