//go:build cgo

package pkcs11

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/pkcs11"

	"officiant/signer"
)

func TestAbsent(t *testing.T) {
	r := newRoom(t, "officiant-root")
	dir := t.TempDir()
	text := filepath.Join(dir, "text.so")
	if err := os.WriteFile(text, []byte("no library"), 0o600); err != nil {
		t.Fatal(err)
	}
	libc := "/lib/x86_64-linux-gnu/libc.so.6"
	for _, c := range []struct {
		name, uri string
		want      []string
	}{
		{"token", "pkcs11:token=officiant-rot?module-path=" + r.module,
			[]string{`label "officiant-rot"`, r.module, `"officiant-root" (serial ` + r.made[0].Serial, "SOFTHSM2_CONF"}},
		{"serial", "pkcs11:token=officiant-root;serial=0000?module-path=" + r.module, []string{`serial "0000"`, "officiant-root"}},
		{"model", "pkcs11:token=officiant-root;model=Luna?module-path=" + r.module, []string{`model "Luna"`}},
		{"manufacturer", "pkcs11:token=officiant-root;manufacturer=ACME?module-path=" + r.module, []string{`manufacturer "ACME"`}},
		{"module", "pkcs11:token=officiant-root?module-path=" + dir + "/libsofthsm2.so",
			[]string{dir + "/libsofthsm2.so", "no such file", "there is one at " + r.module}},
		{"unknown module", "pkcs11:token=officiant-root?module-path=" + dir + "/libacme.so",
			[]string{"libacme.so", "/usr/lib/softhsm", "library of the token's maker"}},
		{"installable module", "pkcs11:token=officiant-root?module-path=" + dir + "/libtpm2_pkcs11.so.9", []string{"apt-get install libtpm2-pkcs11-1"}},
		{"module name", "pkcs11:token=officiant-root?module-name=acme", []string{"no PKCS#11 module named acme in /usr/lib/softhsm"}},
		{"directory", "pkcs11:token=officiant-root?module-path=" + dir, []string{dir, "is a directory"}},
		{"no library", "pkcs11:token=officiant-root?module-path=" + text, []string{text, "file too short"}},
		{"no PKCS#11 library", "pkcs11:token=officiant-root?module-path=" + libc, []string{libc, "no C_GetFunctionList"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.name == "no PKCS#11 library" {
				if _, err := os.Stat(libc); err != nil {
					t.Skip(err)
				}
			}
			_, err := Open(t.Context(), signer.Ref{URI: c.uri}, r.ask)
			if !errors.Is(err, signer.ErrUnavailable) {
				t.Fatalf("%v, want %v", err, signer.ErrUnavailable)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error does not say %q: %v", want, err)
				}
			}
		})
	}
	if r.asked != 0 {
		t.Error("asked for a PIN without a token")
	}
}

func TestModuleName(t *testing.T) {
	r := newRoom(t, "officiant-root")
	for _, uri := range []string{
		"pkcs11:token=officiant-root?module-name=softhsm2",
		"PKCS11:token=officiant-root?module-name=softhsm2&module-path=" + filepath.Dir(r.module),
		"pkcs11:serial=" + r.made[0].Serial + ";manufacturer=SoftHSM%20project;model=SoftHSM%20v2?module-path=" + r.module,
	} {
		s, err := Open(t.Context(), signer.Ref{URI: uri}, r.ask)
		if err != nil {
			t.Errorf("%s: %v", uri, err)
			continue
		}
		d := s.(signer.Describer).Describe()
		if d.Backend != "pkcs11" || d.Label != "officiant-root" || d.Serial != r.made[0].Serial || !d.Software ||
			len(d.ModuleSHA256) != 64 || d.Firmware == "" || filepath.Base(d.Module) != "libsofthsm2.so" {
			t.Errorf("%+v", d)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestTwinTokens: two tokens of one label are only told apart by serial.
func TestTwinTokens(t *testing.T) {
	r := newRoom(t, "officiant-root", "other")
	ctx := pkcs11.New(r.module)
	if err := ctx.Initialize(); err != nil {
		t.Fatal(err)
	}
	slots, err := ctx.GetSlotList(true)
	if err != nil {
		t.Fatal(err)
	}
	for _, slot := range slots { // make "other" anew, with the first one's label
		if info, err := ctx.GetTokenInfo(slot); err != nil {
			t.Fatal(err)
		} else if info.Label == "other" {
			if err := ctx.InitToken(slot, "so-pin-1234", "officiant-root"); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := ctx.Finalize(); err != nil {
		t.Fatal(err)
	}

	uri := "pkcs11:token=officiant-root?module-path=" + r.module
	_, err = Open(t.Context(), signer.Ref{URI: uri}, r.ask)
	if !errors.Is(err, signer.ErrUnavailable) || !strings.Contains(err.Error(), "2 tokens") || !strings.Contains(err.Error(), r.made[0].Serial) || r.asked != 0 {
		t.Errorf("%v, %d questions", err, r.asked)
	}
	if err := Supports(signer.Ref{URI: uri}, signer.Spec{Algorithm: signer.ECDSAP256}); !errors.Is(err, signer.ErrUnavailable) {
		t.Errorf("Supports: %v", err)
	}
	r.open(t, 0) // by label and serial
}

func TestUnreadyTokens(t *testing.T) {
	for _, c := range []struct {
		name  string
		flags uint
		want  string
	}{
		{"no user PIN", pkcs11.CKF_TOKEN_INITIALIZED | pkcs11.CKF_LOGIN_REQUIRED, "no user PIN yet"},
		{"no login", pkcs11.CKF_TOKEN_INITIALIZED | pkcs11.CKF_USER_PIN_INITIALIZED, "anyone could sign"},
		{"not initialized", pkcs11.CKF_LOGIN_REQUIRED, "not initialized"},
	} {
		err := token{info: pkcs11.TokenInfo{Flags: c.flags}}.ready()
		if !errors.Is(err, signer.ErrUnavailable) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestSoftware(t *testing.T) {
	for _, c := range []struct {
		manufacturer, model string
		want                bool
	}{
		{"SoftHSM project", "SoftHSM v2", true},
		{"IBM", "Soft", true},
		{"IBM", "EP11", false},
		{"Mozilla Foundation", "NSS 3", true},
		{"Kryoptic Project", "v1", true},
		{"Gnome Keyring", "1.0", true},
		{"IBM", "SW   TPM", true},
		{"Example", "Simulator", true},
		{"Yubico (www.yubico.com)", "YubiKey YK5", false},
		{"Infineon", "SLB9670", false},
		{"SafeNet", "Luna K7", false},
	} {
		if got := isSoftware(pkcs11.Info{}, pkcs11.TokenInfo{ManufacturerID: c.manufacturer, Model: c.model}); got != c.want {
			t.Errorf("%s %s: software %v, want %v", c.manufacturer, c.model, got, c.want)
		}
	}
}

// TestSupports asks without a login.
func TestSupports(t *testing.T) {
	r := newRoom(t, "officiant-root")
	w := r.wrap(t)
	for _, a := range signer.Algorithms() {
		if err := Supports(r.ref(0, "demo/root"), signer.Spec{Algorithm: a}); err != nil {
			t.Errorf("%s: %v", a, err)
		}
	}
	if calls := w.calls(t); calls["C_Login"] != 0 || calls["C_OpenSession"] != 0 || calls["C_Initialize"] != calls["C_Finalize"] {
		t.Errorf("calls %v", calls)
	}
	w.order(t, "fail C_GetMechanismInfo 0x70")
	err := Supports(r.ref(0, "demo/root"), signer.Spec{Algorithm: signer.RSA4096})
	if !errors.Is(err, signer.ErrUnsupported) || !strings.Contains(err.Error(), "CKM_RSA_PKCS_KEY_PAIR_GEN") {
		t.Errorf("%v, want %v", err, signer.ErrUnsupported)
	}
	if err := Supports(r.ref(0, "demo/root"), signer.Spec{Algorithm: "RSA-1024"}); err == nil {
		t.Error("RSA-1024 is supported")
	}
}

// TestEqualSerials: some modules give all their tokens one serial. Together
// with it the label decides; alone it names none.
func TestEqualSerials(t *testing.T) {
	r := newRoom(t, "officiant-root", "officiant-issuing")
	w := r.wrap(t)
	w.order(t, "serial 0000")
	for i := range r.made {
		r.made[i].Serial = "0000"
		if d := r.open(t, i).Describe(); d.Label != r.labels[i] || d.Serial != "0000" {
			t.Errorf("%+v", d)
		}
	}
	_, err := Open(t.Context(), signer.Ref{URI: "pkcs11:serial=0000?module-path=" + r.module}, r.ask)
	if !errors.Is(err, signer.ErrUnavailable) || !strings.Contains(err.Error(), "tokens with serial") || r.asked != 2 {
		t.Errorf("%v, %d questions", err, r.asked)
	}
}

// TestForeignInitialize: other code in this process that has the module has
// another module than ours, whose process nobody else is in.
func TestForeignInitialize(t *testing.T) {
	r := newRoom(t, "officiant-root")
	other := pkcs11.New(r.module)
	if err := other.Initialize(); err != nil {
		t.Fatal(err)
	}
	slots, err := other.GetSlotList(true)
	if err != nil {
		t.Fatal(err)
	}
	h, err := other.OpenSession(slots[0], pkcs11.CKF_SERIAL_SESSION)
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Login(h, pkcs11.CKU_USER, r.pin); err != nil {
		t.Fatal(err)
	}
	wrong := func(context.Context, signer.Device) ([]byte, error) { return []byte("not-the-pin-77"), nil }
	if _, err := Open(t.Context(), r.ref(0, ""), wrong); !errors.Is(err, signer.ErrPIN) {
		t.Errorf("a wrong PIN passes under another's login: %v", err)
	}
	create(t, r.open(t, 0), r.ref(0, "demo/root"), signer.ECDSAP256)
	if err := other.Finalize(); err != nil {
		t.Fatal(err)
	}
}
