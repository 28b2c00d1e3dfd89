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
	officiant := filepath.Join(programs, "officiant")
	dir, wrap, station := wrapped(t, "hang C_GenerateKeyPair")
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
	err := <-ended
	var exit *exec.ExitError
	if !errors.As(err, &exit) || !exit.Sys().(syscall.WaitStatus).Signaled() {
		t.Errorf("the second signal: %v", err)
	}
	until(t, "the module's process goes on", func() bool { return errors.Is(syscall.Kill(child, 0), syscall.ESRCH) })
}

// wrapped makes a room whose module follows an order, and tells in the file calls of
// its folder what was called.
func wrapped(t *testing.T, order string) (dir, wrap, station string) {
	t.Helper()
	dir = t.TempDir()
	wrap = filepath.Join(dir, "wrap.so")
	cc := exec.Command("cc", "-shared", "-fPIC", "-O1", "-o", wrap,
		filepath.Join(source, "signer", "pkcs11", "testdata", "wrap.c"), "-ldl", "-lpthread")
	if out, err := cc.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	module, err := softhsm.Find()
	check(t, err)
	check(t, os.Symlink(module, filepath.Join(dir, "real.so")))
	check(t, os.WriteFile(filepath.Join(dir, "control"), []byte(order+"\n"), 0o600))
	station = filepath.Join(dir, "station.yaml")
	init := exec.Command(filepath.Join(programs, "officiant"), "softhsm", "init", "--dir", filepath.Join(dir, "room"),
		"--station", station)
	if out, err := init.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	text, err := os.ReadFile(station)
	check(t, err)
	check(t, os.WriteFile(station, []byte(strings.ReplaceAll(string(text), module, wrap)), 0o600))
	return dir, wrap, station
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

// TestTriesRemembered: of a token that tells nothing of wrong PINs, a script in a loop
// tries two, and not the third, which locks the strictest.
func TestTriesRemembered(t *testing.T) {
	needSoftHSM(t)
	dir, _, station := wrapped(t, "noflags 0x70000")
	pin := filepath.Join(dir, "room", "root.pin")
	check(t, os.WriteFile(pin, []byte("not-the-pin-77\n"), 0o600))
	for n := range 5 {
		c := exec.Command(filepath.Join(programs, "officiant"), "signer", "list", "demo/root", "--station", station)
		c.Env = append(os.Environ(), "XDG_STATE_HOME="+filepath.Join(dir, "state"))
		out, err := c.CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 5 || n >= 2 != strings.Contains(string(out), "no PIN was tried") {
			t.Errorf("try %d: %v\n%s", n+1, err, out)
		}
	}
	doctor := exec.Command(filepath.Join(programs, "officiant"), "doctor", "--station", station)
	doctor.Env = append(os.Environ(), "XDG_STATE_HOME="+filepath.Join(dir, "state"), "COLUMNS=200")
	if out, err := doctor.Output(); err != nil || !strings.Contains(string(out), "as this machine remembers") {
		t.Errorf("doctor does not tell of them: %v\n%s", err, out)
	}
	calls, err := os.ReadFile(filepath.Join(dir, "calls"))
	check(t, err)
	if n := strings.Count(string(calls), "C_Login\n"); n != 2 {
		t.Errorf("%d PINs were tried", n)
	}
}

// TestTriesOnRecord: a ceremony that goes on on other machines knows of the wrong PINs
// that are on its record, says so, and tries no third one.
func TestTriesOnRecord(t *testing.T) {
	needSoftHSM(t)
	needTool(t, "jq")
	dir, _, _ := wrapped(t, "noflags 0x70000")
	pin := filepath.Join(dir, "room", "issuing.pin")
	right, err := os.ReadFile(pin)
	check(t, err)
	check(t, os.WriteFile(pin, []byte("not-the-pin-77\n"), 0o600))
	out := shell(t, dir, `
mkdir requests
kubeadm=$SOURCE/softhsm/demo/cp-1.yaml
officiant-node request --kubeadm $kubeadm --roles control-plane,etcd --root cp-1 --out requests/cp-1.req
officiant ceremony new --kubeadm $kubeadm --requests requests --station-grade software --out plan.yaml
digest=$(officiant ceremony check plan.yaml --digest)
for n in 1 2 3 4; do
  head=$(test ! -e ceremony || tail -n 1 ceremony/transcript.jsonl | sha256sum | cut -c 1-64)
  XDG_STATE_HOME=$PWD/machine-$n officiant ceremony run plan.yaml --station station.yaml --dir ceremony \
    --confirm $digest ${head:+--head $head} 2>said-$n || echo "machine $n: exit code $?"
done
jq -r 'select(.type == "pin-refused").data | "\(.token.label) \(.tries)"' ceremony/transcript.jsonl`)
	if !strings.HasSuffix(out, "machine 1: exit code 5\nmachine 2: exit code 5\nmachine 3: exit code 5\n"+
		"machine 4: exit code 5\nofficiant-issuing 1\nofficiant-issuing 2\n") {
		t.Errorf("%s", out)
	}
	for file, want := range map[string]string{
		"said-1": "tried once",
		"said-2": "1 wrong PIN is on record of token officiant-issuing, serial ",
		"said-3": "2 wrong PINs are on record of token officiant-issuing, serial ",
		"said-4": "2 wrong PINs since the last right one",
	} {
		said := strings.Join(strings.Fields(readFile(t, filepath.Join(dir, file))), " ")
		if !strings.Contains(said, want) || file > "said-2" && !strings.Contains(said, "no PIN was tried") {
			t.Errorf("%s, want %q:\n%s", file, want, said)
		}
	}
	check(t, os.WriteFile(pin, right, 0o600))
	out = shell(t, dir, `
serial=$(jq -r 'select(.type == "pin-refused").data.token.serial' ceremony/transcript.jsonl | head -n 1)
head=$(tail -n 1 ceremony/transcript.jsonl | sha256sum | cut -c 1-64)
officiant ceremony run plan.yaml --station station.yaml --dir ceremony --final-try $serial --head $head \
  --confirm $(officiant ceremony check plan.yaml --digest)
officiant ceremony verify ceremony --release-key ceremony/release.pub`)
	if !strings.Contains(out, "a PIN was refused by token officiant-issuing") || !strings.Contains(out, "verified") {
		t.Errorf("%s", out)
	}
}
