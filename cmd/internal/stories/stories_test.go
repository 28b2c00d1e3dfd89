package stories

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"officiant/cmd/internal/commandtest"
	"officiant/signer/pkcs11/module"
	"officiant/softhsm"
)

var (
	source   string // the module's root
	programs string // folder of the two programs
)

// TestMain builds the two programs once, as make build does.
func TestMain(m *testing.M) {
	if code, ok := module.Serve(os.Args); ok {
		os.Exit(code)
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	var err error
	if source, err = filepath.Abs(filepath.Join("..", "..", "..")); err == nil {
		programs, err = os.MkdirTemp("", "officiant-stories-")
	}
	if err == nil {
		defer os.RemoveAll(programs)
		err = os.Setenv("XDG_STATE_HOME", filepath.Join(programs, "state")) // and not this user's
	}
	if err == nil {
		err = commandtest.Build(source, programs, "officiant", "1")
	}
	if err == nil {
		err = commandtest.Build(source, programs, "officiant-node", "0")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

func TestStories(t *testing.T) {
	needSoftHSM(t)
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Setup: func(env *testscript.Env) error {
			env.Setenv("SOURCE", source)
			env.Setenv("NO_COLOR", "1")
			return setup(env)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":   exits,
			"flipbit": flipBit,
			"prepare": prepare,
			"digest":  digest,
			"head":    head,
		},
	})
}

// setup lets a script run the programs, with nothing of this user's.
func setup(env *testscript.Env) error {
	env.Setenv("PATH", programs+":"+env.Getenv("PATH"))
	env.Setenv("XDG_STATE_HOME", filepath.Join(env.WorkDir, ".state"))
	return nil
}

func needSoftHSM(t *testing.T) {
	t.Helper()
	if _, err := softhsm.Find(); err != nil {
		if os.Getenv("OFFICIANT_REQUIRE_SOFTHSM") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
}

// exits CODE COMMAND… runs a command and wants its exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if exit, ok := err.(*exec.ExitError); ok {
		got = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if (got == want) == neg {
		ts.Fatalf("%s: exit code %d, want %d (negated: %t)", args[1], got, want, neg)
	}
}

// flipbit FILE flips one bit in the middle of a file.
func flipBit(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs(args[0])
	data, err := os.ReadFile(path)
	ts.Check(err)
	data[len(data)/2] ^= 1
	ts.Check(os.WriteFile(path, data, 0o644))
}

// prepare makes what a ceremony begins with: tokens, a station, two nodes'
// requests, and the plan made of them.
func prepare(ts *testscript.TestScript, _ bool, _ []string) {
	for _, c := range [][]string{
		{"officiant", "softhsm", "init", "--dir", "room", "--station", "station.yaml"},
		{"officiant-node", "request", "--kubeadm", filepath.Join(source, "softhsm", "demo", "cp-1.yaml"), "--roles", "control-plane,etcd", "--root", "cp-1", "--out", "plan/requests/cp-1.req"},
		{"officiant-node", "request", "--kubeadm", filepath.Join(source, "softhsm", "demo", "worker-1.yaml"), "--roles", "worker", "--root", "worker-1", "--out", "plan/requests/worker-1.req"},
		{"officiant", "ceremony", "new", "--kubeadm", filepath.Join(source, "softhsm", "demo", "cp-1.yaml"), "--requests", "plan/requests", "--station-grade", "software", "--out", "plan/plan.yaml"},
	} {
		ts.Check(os.MkdirAll(ts.MkAbs("plan/requests"), 0o755))
		ts.Check(ts.Exec(c[0], c[1:]...))
	}
}

// head DIR sets HEAD to the head of a ceremony's record, which people wrote down when
// it stopped: the SHA-256 of its last whole line.
func head(ts *testscript.TestScript, _ bool, args []string) {
	text := ts.ReadFile(args[0] + "/transcript.jsonl")
	whole := text[:strings.LastIndexByte(text, '\n')+1]
	last := whole[strings.LastIndexByte(strings.TrimSuffix(whole, "\n"), '\n')+1:]
	ts.Setenv("HEAD", fmt.Sprintf("%x", sha256.Sum256([]byte(last))))
}

// digest PLAN puts the ceremony's digest into $DIGEST, as a script would.
func digest(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(ts.Exec("officiant", "ceremony", "check", args[0], "-o", "json"))
	m := digestField.FindStringSubmatch(ts.ReadFile("stdout"))
	if m == nil {
		ts.Fatalf("ceremony check -o json gave no digest")
	}
	ts.Setenv("DIGEST", m[1])
}
