//go:build cgo

package pkcs11test

import (
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/miekg/pkcs11"
)

//go:embed testdata/reserved.c
var reservedSource []byte

// NSS makes a token of NSS softokn: a certificate database, as browsers have.
// softokn wants its parameters handed to C_Initialize, which Officiant's
// callers do not do; a small module in front of it does.
func NSS(tb testing.TB) Token {
	tb.Helper()
	real := find(tb, nss, "libnss3", "libsoftokn3.so", "nss/libsoftokn3.so")
	dir := folder(tb)
	built, err := buildReserved()
	if err != nil {
		tb.Fatal(err)
	}
	t := Token{Module: filepath.Join(dir, "nss.so"), Label: "NSS Certificate DB", PIN: "user-pin-1234"}
	reserved := fmt.Sprintf("%s\nconfigdir='sql:%s' certPrefix='' keyPrefix='' secmod='secmod.db' flags=\n", real, dir)
	for file, data := range map[string][]byte{t.Module: built, filepath.Join(dir, "reserved"): []byte(reserved)} {
		if err := os.WriteFile(file, data, 0o700); err != nil {
			tb.Fatal(err)
		}
	}
	err = as(t.Module, func(o officer) error {
		slot, _, err := o.slot(func(i pkcs11.TokenInfo) bool { return i.Label == t.Label })
		if err != nil {
			return err
		}
		return o.session(slot, t.SOPIN, func(h pkcs11.SessionHandle) error { return o.InitPIN(h, t.PIN) })
	})
	if err != nil {
		tb.Fatal(err)
	}
	return t
}

// buildReserved compiles testdata/reserved.c, once.
var buildReserved = sync.OnceValues(func() ([]byte, error) {
	cc := "cc"
	if os.Getenv("CC") != "" {
		cc = os.Getenv("CC")
	}
	dir, err := os.MkdirTemp("", "tok")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	source, to := filepath.Join(dir, "reserved.c"), filepath.Join(dir, "reserved.so")
	if err := os.WriteFile(source, reservedSource, 0o600); err != nil {
		return nil, err
	}
	if out, err := exec.Command(cc, "-shared", "-fPIC", "-O1", "-o", to, source, "-ldl").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", cc, err, out)
	}
	return os.ReadFile(to)
})
