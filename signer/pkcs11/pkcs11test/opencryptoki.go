//go:build cgo

package pkcs11test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/pkcs11"
	"golang.org/x/sys/unix"
)

// opencryptokiLabel marks the token that tests may throw away.
const opencryptokiLabel = "officiant-test-ock"

// opencryptokiStore is where the software token's files are.
const opencryptokiStore = "/var/lib/opencryptoki/swtok"

// slot is the software token's, in Debian's configuration.
const opencryptokiSlot = "3"

// Opencryptoki makes the machine's software token anew. Tests of several
// processes take turns.
func Opencryptoki(tb testing.TB) Token {
	tb.Helper()
	t := Token{
		Module: find(tb, opencryptoki, "opencryptoki", "pkcs11/libopencryptoki.so", "opencryptoki/libopencryptoki.so"),
		Label:  opencryptokiLabel, PIN: "73915", SOPIN: "87654321", // the maker's, of a new token
	}
	pkcsconf := find(tb, opencryptoki, "opencryptoki", "pkcsconf")
	turn(tb)
	if fresh.made {
		if err := as(t.Module, t.empty); err != nil {
			tb.Fatal(err)
		}
		return t
	}
	told, err := exec.Command(pkcsconf, "-t", "-c", opencryptokiSlot).CombinedOutput()
	switch {
	case err != nil:
		skip(tb, opencryptoki, "%v: %s (its daemon pkcsslotd may not run; .ci/setup-tokens starts it)", err, bytes.TrimSpace(told))
	case !bytes.Contains(told, []byte("IBM SoftTok")):
		skip(tb, opencryptoki, "its slot %s has no software token", opencryptokiSlot)
	case bytes.Contains(told, []byte("|TOKEN_INITIALIZED")) && !bytes.Contains(told, []byte(opencryptokiLabel)):
		skip(tb, opencryptoki, "its token is not one of these tests, and is not thrown away")
	}
	if err := errors.Join(wipe(), t.make(pkcsconf)); err != nil {
		tb.Fatal(err)
	}
	fresh.made = true
	return t
}

// fresh tells whether this process has made the token. Other processes do: the
// module bears to be initialized once, and that is the tested code's to do.
var fresh struct{ made bool }

// make initializes the token. Both PINs are for tests alone, so they may be seen.
func (t Token) make(pkcsconf string) error {
	for _, args := range [][]string{{"-I"}, {"-u", "-n", t.PIN}} {
		c := exec.Command(pkcsconf, append([]string{"-c", opencryptokiSlot, "-S", t.SOPIN}, args...)...)
		c.Stdin = strings.NewReader(t.Label + "\n")
		if out, err := c.CombinedOutput(); err != nil {
			return fmt.Errorf("pkcsconf %s: %w: %s", args[0], err, bytes.TrimSpace(out))
		}
	}
	return nil
}

// empty unlocks the token and destroys all that is in it.
func (t Token) empty(o officer) error {
	slot, _, err := o.slot(func(i pkcs11.TokenInfo) bool { return i.Label == t.Label })
	if err != nil {
		return err
	}
	if err := o.session(slot, t.SOPIN, func(h pkcs11.SessionHandle) error { return o.InitPIN(h, t.PIN) }); err != nil {
		return err
	}
	h, err := o.OpenSession(slot, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
	if err != nil {
		return err
	}
	defer o.CloseSession(h)
	if err := o.Login(h, pkcs11.CKU_USER, t.PIN); err != nil {
		return err
	}
	defer o.Logout(h)
	for {
		if err := o.FindObjectsInit(h, nil); err != nil {
			return err
		}
		found, _, err := o.FindObjects(h, 100)
		if err := errors.Join(err, o.FindObjectsFinal(h)); err != nil || len(found) == 0 {
			return err
		}
		for _, object := range found {
			if err := o.DestroyObject(h, object); err != nil {
				return err
			}
		}
	}
}

// turn waits until no other process tests with opencryptoki.
func turn(tb testing.TB) {
	tb.Helper()
	f, err := os.Open(opencryptokiStore)
	if err != nil {
		skip(tb, opencryptoki, "%v (it takes root, or the group pkcs11)", err)
	}
	tb.Cleanup(func() { f.Close() })
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		tb.Fatal(err)
	}
}

// wipe removes the token's files. To initialize it once more is no way back: if
// the security officer's PIN was changed, no login of his works afterwards.
func wipe() error {
	var errs []error
	for _, pattern := range []string{"NVTOK.DAT", "MK_SO", "MK_USER", "TOK_OBJ/*"} {
		files, err := filepath.Glob(filepath.Join(opencryptokiStore, pattern))
		errs = append(errs, err)
		for _, file := range files {
			errs = append(errs, os.Remove(file))
		}
	}
	return errors.Join(errs...)
}
