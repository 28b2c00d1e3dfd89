//go:build cgo

package pkcs11

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"officiant/signer"
)

// TestModules finds each module once, by its name, and nothing else.
func TestModules(t *testing.T) {
	dir := t.TempDir()
	first, second, own := filepath.Join(dir, "first"), filepath.Join(dir, "second"), filepath.Join(dir, "own")
	for _, d := range []string{first, second, own} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"first/libsofthsm2.so", "first/pkcs11-spy.so", "first/libother.so", "first/opensc-pkcs11.so", "own/libcknfast.so"} {
		if err := os.WriteFile(filepath.Join(dir, file), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{
		"second/libsofthsm2.so": "../first/libsofthsm2.so", "second/opensc-pkcs11.so": "nowhere", "second/libykcs11.so": "../first/libother.so",
	} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(second, "libopencryptoki.so"), 0o700); err != nil {
		t.Fatal(err)
	}
	got := modulesIn([]string{first, second}, moduleNames, []string{own + "/libcknfast.so", own + "/absent.so", second + "/libsofthsm2.so"})
	want := []string{first + "/libsofthsm2.so", first + "/opensc-pkcs11.so", second + "/libykcs11.so", own + "/libcknfast.so"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if slices.ContainsFunc(slices.Concat(moduleNames, modulePaths), func(name string) bool { return strings.Contains(name, "spy") }) {
		t.Error("a module that logs PINs is offered")
	}
	if r := newRoom(t, "officiant-root"); !slices.Contains(Modules(), r.module) {
		t.Errorf("SoftHSM at %s is not among %q", r.module, Modules())
	}
}

// TestTokens describes tokens without a login; one that is not initialized, or
// not readable, is marked and hides no other.
func TestTokens(t *testing.T) {
	r := newRoom(t, "officiant-root", "officiant-issuing")
	w := r.wrap(t)
	all, err := Tokens(t.Context(), r.module)
	if err != nil {
		t.Fatal(err)
	}
	state := map[string]TokenState{}
	for _, s := range all {
		state[s.Label] = s
	}
	if len(all) != 3 || state[""].Unready != "it is not initialized" { // SoftHSM always has one to spare
		t.Errorf("%+v", all)
	}
	for _, made := range r.made {
		s := state[made.Label]
		if s.Serial != made.Serial || s.Unready != "" || s.Backend != "pkcs11" || s.Module != r.module || !s.Software || s.PINCountLow || s.PINPad {
			t.Errorf("%+v", s)
		}
	}
	if calls := w.calls(t); calls["C_OpenSession"] != 0 || calls["C_Login"] != 0 || calls["C_Initialize"] != 1 || calls["C_Finalize"] != 1 {
		t.Errorf("calls %v", calls)
	}
	s := r.open(t, 0)
	w.order(t, "flags 0x70100")
	all, err = Tokens(t.Context(), r.module)
	if err != nil || !all[0].PINCountLow || !all[0].PINFinalTry || !all[0].PINLocked || !all[0].PINPad {
		t.Errorf("%v, %+v", err, all)
	}
	w.order(t, "fail C_GetTokenInfo 0xE1")
	all, err = Tokens(t.Context(), r.module)
	if err != nil || len(all) != 3 || !strings.Contains(all[0].Unready, "CKR_TOKEN_NOT_RECOGNIZED") {
		t.Errorf("%v, %+v", err, all)
	}
	w.order(t)
	if _, err := s.List(t.Context()); err != nil {
		t.Errorf("an open store suffers: %v", err)
	}
	for module, want := range map[string]string{"/absent.so": "no such file", r.module: "CKR_DEVICE_ERROR"} {
		w.order(t, "fail C_GetSlotList 0x30")
		if _, err := Tokens(t.Context(), module); !errors.Is(err, signer.ErrUnavailable) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", module, err)
		}
	}
	w.order(t)
}

func TestTokensHang(t *testing.T) {
	for _, call := range []string{"C_Initialize", "C_GetSlotList", "C_GetTokenInfo"} {
		r := newRoom(t, "officiant-root")
		w := r.wrap(t)
		w.order(t, "hang "+call)
		hangs(t, call, func(ctx context.Context) error { _, err := Tokens(ctx, r.module); return err })
		wantGivenUp(t, func() error { _, err := Options{Timeout: deadline}.Tokens(t.Context(), r.module); return err })
		wantGivenUp(t, func() error {
			return Options{Timeout: deadline}.Supports(r.ref(0, ""), signer.Spec{Algorithm: signer.ECDSAP256})
		})
		w.order(t)
	}
}

// TestBrokenModule: a module that gives no function list, as p11-kit's without
// its server, is an error, where miekg/pkcs11 crashes.
func TestBrokenModule(t *testing.T) {
	r := newRoom(t, "officiant-root")
	w := r.wrap(t)
	if err := os.Remove(filepath.Join(w.folder, "real.so")); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), r.ref(0, ""), r.ask); !errors.Is(err, signer.ErrUnavailable) || !strings.Contains(err.Error(), "C_GetFunctionList: CKR_GENERAL_ERROR") {
		t.Errorf("%v", err)
	}
}
