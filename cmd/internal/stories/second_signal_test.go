package stories

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"officiant/softhsm"
)

// until waits for what has to come.
func until(t *testing.T, what string, so func() bool) {
	t.Helper()
	for range 6000 {
		if so() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("in vain: %s", what)
}

// TestSecondSignal: a call that makes a key is not cut off by one signal. The second
// ends the program, and the module's process with it.
func TestSecondSignal(t *testing.T) {
	needSoftHSM(t)
	dir := t.TempDir()
	wrap := filepath.Join(dir, "wrap.so")
	cc := exec.Command("cc", "-shared", "-fPIC", "-O1", "-o", wrap,
		filepath.Join(source, "signer", "pkcs11", "testdata", "wrap.c"), "-ldl", "-lpthread")
	if out, err := cc.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	module, err := softhsm.Find()
	check(t, err)
	check(t, os.Symlink(module, filepath.Join(dir, "real.so")))
	check(t, os.WriteFile(filepath.Join(dir, "control"), []byte("hang C_GenerateKeyPair\n"), 0o600))
	station := filepath.Join(dir, "station.yaml")
	officiant := filepath.Join(programs, "officiant")
	init := exec.Command(officiant, "softhsm", "init", "--dir", filepath.Join(dir, "room"), "--station", station)
	if out, err := init.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	text, err := os.ReadFile(station)
	check(t, err)
	check(t, os.WriteFile(station, []byte(strings.ReplaceAll(string(text), module, wrap)), 0o600))

	c := exec.Command(officiant, "signer", "create", "demo/root", "--station", station, "--algorithm", "ECDSA-P256",
		"--evidence", "software")
	check(t, c.Start())
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	until(t, "no key is made", func() bool {
		calls, _ := os.ReadFile(filepath.Join(dir, "calls"))
		return slices.Contains(strings.Fields(string(calls)), "C_GenerateKeyPair")
	})
	child := processOf(t, wrap)
	check(t, c.Process.Signal(os.Interrupt))
	select {
	case err := <-ended:
		t.Fatalf("one signal cut off the making of a key: %v", err)
	case <-time.After(1500 * time.Millisecond):
	}
	check(t, c.Process.Signal(syscall.SIGTERM))
	err = <-ended
	var exit *exec.ExitError
	if !errors.As(err, &exit) || !exit.Sys().(syscall.WaitStatus).Signaled() {
		t.Errorf("the second signal: %v", err)
	}
	until(t, "the module's process goes on", func() bool { return errors.Is(syscall.Kill(child, 0), syscall.ESRCH) })
}

// processOf is the process that a module was given.
func processOf(t *testing.T, module string) int {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	check(t, err)
	for _, file := range files {
		line, err := os.ReadFile(file)
		if args := strings.Split(string(line), "\x00"); err == nil && len(args) > 1 && args[1] == module {
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			check(t, err)
			return pid
		}
	}
	t.Fatalf("no process has %s", module)
	return 0
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
