//go:build tokens && cgo

package stories

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"officiant/signer/pkcs11/pkcs11test"
	"officiant/softhsm"
)

// TestTokenHeld is a ceremony whose root lives behind a server, which is held by
// SIGSTOP and ended by SIGKILL in its midst. The same command goes on each time.
func TestTokenHeld(t *testing.T) {
	needSoftHSM(t)
	pkcs11test.Client(t) // skips here what is not installed
	var server *pkcs11test.Remote
	testscript.Run(t, testscript.Params{
		Files: []string{filepath.Join("testdata", "held.txtar")},
		Setup: setup,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"prepare": prepare,
			"digest":  digest,
			"head":    head,
			"remote":  func(ts *testscript.TestScript, _ bool, _ []string) { server = remote(ts, t) },
			"hold":    func(ts *testscript.TestScript, _ bool, args []string) { hold(ts, server, args); idle(ts, server) },
			"cut": func(ts *testscript.TestScript, _ bool, args []string) {
				interrupted(ts, args, server.Kill)
				server.Again(t)
			},
			"keys": keys,
		},
	})
}

// remote puts a server before the root's token, and has the station reach it
// there and wait two seconds for its answers.
func remote(ts *testscript.TestScript, t *testing.T) *pkcs11test.Remote {
	module, err := softhsm.Find()
	ts.Check(err)
	server := pkcs11test.P11Kit(t, module, "officiant-root", "SOFTHSM2_CONF="+ts.MkAbs("room/softhsm2.conf"))
	var out strings.Builder
	for line := range strings.Lines(ts.ReadFile("station.yaml")) {
		if strings.HasPrefix(line, "  root:") {
			line = strings.Replace(line, module, server.Module, 1)
		}
		out.WriteString(line)
	}
	// The client looks for p11-kit/pkcs11 in the folder of this name.
	out.WriteString("  XDG_RUNTIME_DIR: " + server.Runtime + "\ntimeout: 2s\n")
	ts.Check(os.WriteFile(ts.MkAbs("station.yaml"), []byte(out.String()), 0o644))
	return server
}

// hold PATTERN COMMAND… holds the server when the record of this run matches,
// and lets it go on when the command has ended.
func hold(ts *testscript.TestScript, server *pkcs11test.Remote, args []string) {
	defer server.Continue()
	interrupted(ts, args, server.Stop)
}

// interrupted does something when the record of this run matches a pattern, and
// wants the command to end by itself, with 5. What it says is in the file said.
func interrupted(ts *testscript.TestScript, args []string, do func()) {
	file := ts.MkAbs("ceremony/transcript.jsonl")
	before, _ := os.ReadFile(file) // there is none before the first run
	var said bytes.Buffer
	c := exec.Command(filepath.Join(programs, args[1]), args[2:]...)
	c.Dir, c.Stderr = ts.MkAbs("."), &said
	ts.Check(c.Start())
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	text := regexp.MustCompile(args[0])
	told := func() bool {
		data, _ := os.ReadFile(file)
		return text.Match(data[min(len(before), len(data)):])
	}
	for !told() {
		select {
		case <-ended:
			ts.Fatalf("ended before the record matched %s:\n%s", args[0], said.String())
		case <-time.After(200 * time.Microsecond):
		}
	}
	do()
	var err error
	select {
	case err = <-ended:
	case <-time.After(time.Minute): // its longest limit is ten seconds
		ts.Check(c.Process.Kill())
		ts.Fatalf("does not end:\n%s", said.String())
	}
	ts.Check(os.WriteFile(ts.MkAbs("said"), said.Bytes(), 0o644))
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 5 {
		ts.Fatalf("%v, want exit code 5\n%s", err, said.String())
	}
}

// idle waits until the server has done what it was asked for before it was held.
func idle(ts *testscript.TestScript, server *pkcs11test.Remote) {
	for range 1000 {
		if server.Idle() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	ts.Fatalf("the server goes on with what nobody waits for")
}

// keys COUNT wants so many private keys in the tokens of the room: each is two files.
func keys(ts *testscript.TestScript, _ bool, args []string) {
	number, err := strconv.Atoi(args[0])
	ts.Check(err)
	files, err := filepath.Glob(ts.MkAbs("room/tokens/*/*.object"))
	ts.Check(err)
	n := 0
	for _, file := range files {
		if filepath.Base(file) != "token.object" {
			n++
		}
	}
	if n != 2*number {
		ts.Fatalf("%d objects in the tokens, want %d", n, 2*number)
	}
}
