//go:build cgo

package module

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/pkcs11"

	"officiant/signer"
)

// TestMain makes the test binary the process of its modules, and of modules that are played.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[0] == argument0 && filepath.Dir(os.Args[1]) == playedIn {
		play(filepath.Base(os.Args[1]))
		os.Exit(0)
	}
	if code, ok := Serve(os.Args); ok {
		os.Exit(code)
	}
	os.Exit(m.Run())
}

const playedIn = "/played"

// play is a module's process that answers C_GetFunctionList, and then does as its name says.
func play(what string) {
	if what == "orphan" {
		time.Sleep(time.Minute)
		return
	}
	socket := os.NewFile(socketFD, "socket")
	r := bufio.NewReader(socket)
	for {
		m, err := readMessage(r)
		if err != nil {
			return
		}
		answer := func(kind byte, body out) {
			if data, err := frame(m.id, kind, body); err == nil {
				socket.Write(data)
			}
		}
		if m.kind == fnLoad {
			answer(answerValue, nil)
			continue
		}
		switch what {
		case "few":
			answer(answerValue, *new(out).bytes([]byte("one signature")))
		case "mumble":
			answer(answerText, out("x"))
		case "long":
			answer(answerValue, *new(out).number(1).number(2))
		case "exit":
			fmt.Fprintln(os.Stderr, "no reader is there")
			syscall.Exit(7) // which says nothing of coverage
		case "killed":
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
		case "deaf":
			socket.Close()
			time.Sleep(time.Minute)
		case "talk":
			for n := range mostTold + 9 {
				fmt.Println("line", n)
			}
			answer(answerCode, *new(out).number(fnGetInfo).number(uint(pkcs11.CKR_GENERAL_ERROR)))
		}
	}
}

// opened is a played module.
func opened(t *testing.T, what string, o Options) *Module {
	t.Helper()
	m, err := Open(filepath.Join(playedIn, what), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.connection.process.kill)
	return m
}

// TestPlayed: what becomes of a module's process, or of its answers, is told by the call it
// was in and by what happened.
func TestPlayed(t *testing.T) {
	two := func(m *Module) error { _, _, err := m.Sign(1, make([]Operation, 2)); return err }
	session := func(m *Module) error { _, err := m.OpenSession(1, 0); return err }
	for _, c := range []struct {
		what string
		call func(*Module) error
		is   error
		says string
	}{
		{"few", two, signer.ErrUnavailable, "C_Sign: too few signatures: such an answer makes no sense"},
		{"mumble", session, signer.ErrUnavailable, "its process spoke out of turn: such an answer makes no sense"},
		{"long", session, signer.ErrUnavailable,
			"C_OpenSession: a message that is not of its form: such an answer makes no sense"},
		{"exit", session, signer.ErrUnavailable,
			`C_OpenSession: the module's process ended with exit code 7; the last it wrote is "no reader is there"`},
		{"killed", session, signer.ErrUnavailable,
			"C_OpenSession: the module's process was ended by signal 9 (killed)"},
		{"deaf", session, signer.ErrUnavailable, "C_OpenSession: the module's process does not answer any more"},
		{"hang", session, context.DeadlineExceeded,
			"C_OpenSession: did not answer in time: context deadline exceeded after 100ms"},
	} {
		m := opened(t, c.what, Options{})
		if c.what == "hang" {
			m.SetLimit(100 * time.Millisecond)
		}
		err := c.call(m)
		if !errors.Is(err, c.is) || err.Error() != c.says {
			t.Errorf("%s: %v, want %s", c.what, err, c.says)
		}
	}
}

// TestLeftAlone: a process that hangs in a call that writes to the token is left alone, and
// is said to be.
func TestLeftAlone(t *testing.T) {
	m := opened(t, "hang", Options{})
	m.SetLimit(20 * time.Millisecond)
	if err := m.Login(1, 1, []byte("1234")); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	want := fmt.Sprintf("the module's process %d is left alone in C_Login, which may write to the token: "+
		"it ends with that call, or after five times the time limit", m.PID())
	var left *Left
	if err := m.Release(); !errors.As(err, &left) || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

// TestTalk: a module that writes without end is not told of without end.
func TestTalk(t *testing.T) {
	lines := make(chan string, mostTold+9)
	m := opened(t, "talk", Options{Said: func(line string) { lines <- line }})
	if _, err := m.GetInfo(); !errors.Is(err, pkcs11.Error(pkcs11.CKR_GENERAL_ERROR)) {
		t.Fatal(err)
	}
	for n := range mostTold {
		if line := <-lines; line != fmt.Sprint("line ", n) {
			t.Fatalf("%q", line)
		}
	}
	if line := <-lines; line != "… and more, which is not shown" {
		t.Errorf("%q", line)
	}
}

// TestOrphan: a process of an earlier run that is in a call still is waited for, and then named.
func TestOrphan(t *testing.T) {
	if _, err := os.Stat("/proc/self/exe"); err != nil {
		t.Skip("processes are found by /proc")
	}
	path := filepath.Join(playedIn, "orphan")
	c := exec.Cmd{Path: "/proc/self/exe", Args: []string{argument0, path, "1", "1m"}}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer c.Wait()
	defer c.Process.Kill()
	for orphan(path) == 0 { // between fork and exec it has our own arguments
		time.Sleep(time.Millisecond)
	}
	_, err := Open(path, Options{Limit: time.Millisecond})
	want := fmt.Sprintf("PKCS#11 module %s: process %d of an earlier run is still in a call that writes to the token; "+
		"wait until it has ended, or end it (kill -9 %[2]d) at the risk of what is in the token", path, c.Process.Pid)
	if !errors.Is(err, signer.ErrUnavailable) || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("%v, want %s", err, want)
	}
}

// TestNoProcess: a process that cannot be begun is said to be the module's.
func TestNoProcess(t *testing.T) {
	t.Setenv("TMPDIR", "/absent")
	_, err := Open(filepath.Join(playedIn, "nowhere"), Options{})
	if err == nil || !strings.HasPrefix(err.Error(), "a process for the module: memory to share: open /absent/") {
		t.Error(err)
	}
}
