//go:build cgo

package pkcs11test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/miekg/pkcs11"
	"golang.org/x/sys/unix"
)

// opencryptokiLabel marks the token that tests may throw away.
const opencryptokiLabel = "officiant-test-ock"

// opencryptokiStore is where the software token's files are.
const opencryptokiStore = "/var/lib/opencryptoki/swtok"

var errForeign = errors.New("its token is not one of these tests")

// Opencryptoki makes the machine's software token anew. Tests of several
// processes take turns.
func Opencryptoki(tb testing.TB) Token {
	tb.Helper()
	t := Token{
		Module: find(tb, opencryptoki, "opencryptoki", "pkcs11/libopencryptoki.so", "opencryptoki/libopencryptoki.so"),
		Label:  opencryptokiLabel, PIN: "73915", SOPIN: "87654321", // the maker's, of a new token
	}
	turn(tb)
	err := as(t.Module, mine)
	if err == nil {
		err = errors.Join(wipe(), as(t.Module, t.initializeSoftTok))
	}
	switch {
	case errors.Is(err, errForeign):
		skip(tb, opencryptoki, "%v, and is not thrown away", err)
	case errors.Is(err, pkcs11.Error(pkcs11.CKR_FUNCTION_FAILED)):
		skip(tb, opencryptoki, "%v: its daemon pkcsslotd does not run; .ci/setup-tokens starts it", err)
	case err != nil:
		tb.Fatal(err)
	}
	return t
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

// mine makes sure that the token is one that may be thrown away.
func mine(o officer) error {
	_, info, err := o.slot(isSoftTok)
	if err == nil && info.Flags&pkcs11.CKF_TOKEN_INITIALIZED != 0 && info.Label != opencryptokiLabel {
		return errForeign
	}
	return err
}

func isSoftTok(i pkcs11.TokenInfo) bool { return i.Model == "IBM SoftTok" }

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

func (t Token) initializeSoftTok(o officer) error { return t.initialize(o, isSoftTok) }
