//go:build cgo

package pkcs11test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/pkcs11"
)

// The names of tokens, as OFFICIANT_REQUIRE_TOKENS has them.
const (
	opencryptoki = "opencryptoki"
	tpm2         = "tpm2"
	p11kit       = "p11-kit"
	nss          = "nss"
	ykcs11       = "ykcs11"
	opensc       = "opensc"
)

// Token is a token of a test.
type Token struct {
	Module string // path
	Label  string
	PIN    string
	SOPIN  string // the security officer's
}

// URI names the token.
func (t Token) URI() string {
	return fmt.Sprintf("pkcs11:token=%s?module-path=%s", strings.ReplaceAll(t.Label, " ", "%20"), t.Module)
}

// PINFile is the URI with a file that holds the PIN.
func (t Token) PINFile(tb testing.TB) string {
	tb.Helper()
	file := filepath.Join(folder(tb), "pin")
	if err := os.WriteFile(file, []byte(t.PIN+"\n"), 0o600); err != nil {
		tb.Fatal(err)
	}
	return t.URI() + "&pin-source=file:" + file
}

// skip ends the test without a token that is not there.
func skip(tb testing.TB, token, why string, values ...any) {
	tb.Helper()
	why = fmt.Sprintf(why, values...)
	required := strings.FieldsFunc(os.Getenv("OFFICIANT_REQUIRE_TOKENS"), func(r rune) bool { return r == ' ' || r == ',' })
	if slices.Contains(required, token) {
		tb.Fatalf("%s is required here: %s", token, why)
	}
	tb.Skipf("no %s: %s", token, why)
}

// find returns the first path there is, in Debian's folders of both machines.
func find(tb testing.TB, token, pkg string, names ...string) string {
	tb.Helper()
	for _, name := range names {
		for _, folder := range []string{"/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/bin", "/usr/sbin", "/usr/lib64", "/usr/lib"} {
			if st, err := os.Stat(filepath.Join(folder, name)); err == nil && st.Mode().IsRegular() {
				return filepath.Join(folder, name)
			}
		}
	}
	skip(tb, token, "%s is not installed (Debian and Ubuntu: apt-get install %s)", names[0], pkg)
	return ""
}

// OpenSC skips a test where OpenSC's pkcs11-tool is not installed.
func OpenSC(tb testing.TB) {
	tb.Helper()
	find(tb, opensc, "opensc", "pkcs11-tool")
}

// folder is a folder with a short name: a socket's path has 107 bytes.
func folder(tb testing.TB) string {
	tb.Helper()
	dir, err := os.MkdirTemp("", "tok")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// officer is a security officer's view of a module, until it is finalized.
type officer struct{ *pkcs11.Ctx }

// as runs f on a module that nobody is logged in to. One that was initialized
// before stays so.
func as(module string, f func(officer) error) error {
	ctx := pkcs11.New(module)
	if ctx == nil {
		return fmt.Errorf("%s cannot be loaded", module)
	}
	switch err := ctx.Initialize(); {
	case errors.Is(err, pkcs11.Error(pkcs11.CKR_CRYPTOKI_ALREADY_INITIALIZED)):
		return f(officer{ctx})
	case err != nil:
		return fmt.Errorf("%s: C_Initialize: %w", module, err)
	}
	return errors.Join(f(officer{ctx}), ctx.Finalize())
}

// slot finds the slot whose token is wanted.
func (o officer) slot(wanted func(pkcs11.TokenInfo) bool) (uint, pkcs11.TokenInfo, error) {
	slots, err := o.GetSlotList(true)
	if err != nil {
		return 0, pkcs11.TokenInfo{}, fmt.Errorf("C_GetSlotList: %w", err)
	}
	for _, slot := range slots {
		if info, err := o.GetTokenInfo(slot); err == nil && wanted(info) {
			return slot, info, nil
		}
	}
	return 0, pkcs11.TokenInfo{}, errors.New("no such token")
}

// session runs f on a session in which the security officer is logged in.
func (o officer) session(slot uint, pin string, f func(pkcs11.SessionHandle) error) error {
	h, err := o.OpenSession(slot, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
	if err != nil {
		return fmt.Errorf("C_OpenSession: %w", err)
	}
	defer o.CloseSession(h)
	if err := o.Login(h, pkcs11.CKU_SO, pin); err != nil {
		return fmt.Errorf("C_Login of the security officer: %w", err)
	}
	return errors.Join(f(h), o.Logout(h))
}

// initialize makes the token in the slot that is wanted, and sets its PINs.
func (t Token) initialize(o officer, wanted func(pkcs11.TokenInfo) bool) error {
	slot, _, err := o.slot(wanted)
	if err != nil {
		return err
	}
	if err := o.InitToken(slot, t.SOPIN, t.Label); err != nil {
		return fmt.Errorf("C_InitToken: %w", err)
	}
	return o.session(slot, t.SOPIN, func(h pkcs11.SessionHandle) error { return o.InitPIN(h, t.PIN) })
}
