//go:build cgo

package pkcs11test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/pkcs11"
)

const busConfig = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path=%s</listen>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
`

// broker is how a program reaches tpm2-abrmd, which shares out a TPM's few
// places; without it, software TPMs answer 0x902, out of memory.
const broker = "tabrmd:bus_name=com.intel.tss2.Tabrmd,bus_type=session"

// TPM is a software TPM, which can be held and killed, and the tokens in it.
type TPM struct {
	*Process
	Tokens []Token
}

// TPM2 makes tokens in a software TPM of their own, one for each label.
func TPM2(tb testing.TB, labels ...string) *TPM {
	tb.Helper()
	module := find(tb, tpm2, "libtpm2-pkcs11-1", "pkcs11/libtpm2_pkcs11.so")
	swtpm := find(tb, tpm2, "swtpm", "swtpm")
	abrmd := find(tb, tpm2, "tpm2-abrmd", "tpm2-abrmd")
	bus := find(tb, tpm2, "dbus", "dbus-daemon")
	find(tb, tpm2, "libtss2-tcti-tabrmd0", "libtss2-tcti-tabrmd.so.0")
	find(tb, tpm2, "libtss2-tcti-swtpm0", "libtss2-tcti-swtpm.so.0")

	dir := folder(tb)
	chip, port := startTPM(tb, swtpm, dir)
	startBroker(tb, bus, abrmd, dir, port)
	tb.Setenv("TPM2_PKCS11_STORE", dir)
	tb.Setenv("TPM2_PKCS11_TCTI", broker)
	tb.Setenv("TPM2_PKCS11_LOG_LEVEL", "0")
	tb.Setenv("TSS2_LOG", "all+NONE")
	tb.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path="+filepath.Join(dir, "bus"))

	tpm := &TPM{Process: chip}
	for _, label := range labels {
		t := Token{Module: module, Label: label, PIN: "user-pin-1234", SOPIN: "so-pin-1234"}
		if err := as(module, t.initializeFree); err != nil {
			tb.Fatal(err)
		}
		tpm.Tokens = append(tpm.Tokens, t)
	}
	return tpm
}

// startTPM starts a software TPM on a port, which the control port follows.
func startTPM(tb testing.TB, swtpm, dir string) (*Process, int) {
	tb.Helper()
	port := freePorts(tb)
	address := func(port int) string { return fmt.Sprintf("type=tcp,port=%d,bindaddr=127.0.0.1", port) }
	p := start(tb, nil, swtpm, "socket", "--tpm2", "--tpmstate", "dir="+dir, "--pid", "file="+filepath.Join(dir, "swtpm.pid"),
		"--server", address(port), "--ctrl", address(port+1), "--flags", "not-need-init,startup-clear")
	p.await(tb, func() bool { _, err := os.Stat(filepath.Join(dir, "swtpm.pid")); return err == nil })
	return p, port
}

// freePorts finds two ports side by side.
func freePorts(tb testing.TB) int {
	tb.Helper()
	for range 100 {
		first, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			tb.Fatal(err)
		}
		port := first.Addr().(*net.TCPAddr).Port
		second, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port+1))
		first.Close()
		if err == nil {
			second.Close()
			return port
		}
	}
	tb.Fatal("no two free ports side by side")
	return 0
}

func startBroker(tb testing.TB, bus, abrmd, dir string, port int) {
	tb.Helper()
	socket, config := filepath.Join(dir, "bus"), filepath.Join(dir, "bus.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, busConfig, socket), 0o600); err != nil {
		tb.Fatal(err)
	}
	p := start(tb, nil, bus, "--config-file="+config, "--nofork", "--nopidfile")
	p.await(tb, func() bool { _, err := os.Stat(socket); return err == nil })

	env := []string{"DBUS_SESSION_BUS_ADDRESS=unix:path=" + socket}
	// A broker of 27 objects, its default, is full after seven keys.
	p = start(tb, env, abrmd, "--allow-root", "--session", "--max-transients=100", fmt.Sprintf("--tcti=swtpm:host=127.0.0.1,port=%d", port))
	p.await(tb, func() bool {
		c := exec.Command("dbus-send", "--session", "--print-reply", "--dest=org.freedesktop.DBus", "/",
			"org.freedesktop.DBus.NameHasOwner", "string:com.intel.tss2.Tabrmd")
		c.Env = append(os.Environ(), env...)
		out, _ := c.Output()
		return strings.Contains(string(out), "boolean true")
	})
}

func (t Token) initializeFree(o officer) error {
	return t.initialize(o, func(i pkcs11.TokenInfo) bool { return i.Flags&pkcs11.CKF_TOKEN_INITIALIZED == 0 })
}
