//go:build cgo

package pkcs11

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/pkcs11"

	"officiant/signer"
)

// asking makes a key that wants its PIN at each signature, as Create never does.
func asking(t *testing.T, s *store, ref signer.Ref, algorithm signer.Algorithm) *key {
	t.Helper()
	id := newID(t)
	on(t, s, func(h pkcs11.SessionHandle) error {
		public, private, mechanism, err := templates(algorithm, ref.Label, id[:], hardening)
		if err != nil {
			return err
		}
		private = append(private, pkcs11.NewAttribute(pkcs11.CKA_ALWAYS_AUTHENTICATE, true))
		_, _, err = s.lib.ctx.GenerateKeyPair(h, []*pkcs11.Mechanism{pkcs11.NewMechanism(mechanism, nil)}, public, private)
		return err
	})
	k, err := s.Find(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	if k.Info().Attributes["CKA_ALWAYS_AUTHENTICATE"] != isTrue {
		t.Fatal("not such a key")
	}
	return k.(*key)
}

// enforced shows that the token does not sign without the PIN.
func enforced(t *testing.T, k *key) {
	t.Helper()
	plain := *k
	plain.info.Attributes = nil // signs as other keys do
	if err := sign(t.Context(), &plain); err == nil || !strings.Contains(err.Error(), "CKR_USER_NOT_LOGGED_IN") {
		t.Errorf("signed without a PIN: %v", err)
	}
}

func TestAlwaysAuthenticate(t *testing.T) {
	for _, shared := range []bool{true, false} { // as with p11-kit's modules
		for _, algorithm := range []signer.Algorithm{signer.ECDSAP256, signer.RSA2048} {
			r := newRoom(t, "officiant-root")
			w := r.wrap(t)
			if !shared {
				w.order(t, "own list")
			}
			s := r.open(t, 0)
			k := asking(t, s, r.ref(0, "demo/root"), algorithm)
			w.calls(t)
			const n = 3
			for range n {
				if err := sign(t.Context(), k); err != nil {
					t.Fatal(err)
				}
			}
			if calls := w.calls(t); calls["C_Login"] != n || calls["C_SignInit"] != n || calls["C_OpenSession"] != 0 || r.asked != 1+n {
				t.Errorf("%d questions, calls %v", r.asked, calls)
			}
			for i, d := range r.devices[1:] {
				if want := s.device; d.PINFor != "demo/root" || d.Serial != want.Serial || r.devices[0].PINFor != "" {
					t.Errorf("question %d is about %+v", i, d)
				}
			}
			enforced(t, k)
		}
	}
}

// TestAlwaysAuthenticateMany: everybody is asked, and one at a time.
func TestAlwaysAuthenticateMany(t *testing.T) {
	r := newRoom(t, "officiant-root")
	var mu sync.Mutex
	asked := 0
	var given [][]byte
	ask := func(ctx context.Context, d signer.Device) ([]byte, error) {
		if !mu.TryLock() {
			t.Error("two are asked at once")
			mu.Lock()
		}
		defer mu.Unlock()
		asked++
		pin, err := r.ask(ctx, d)
		given = append(given, pin)
		return pin, err
	}
	opened, err := Open(t.Context(), r.ref(0, ""), ask)
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	s := opened.(*store)
	second, err := Open(t.Context(), r.ref(0, ""), ask) // shares the login, and the questions
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	keys := []*key{asking(t, s, r.ref(0, "demo/root"), signer.ECDSAP256), create(t, s, r.ref(0, "demo/plain"), signer.ECDSAP256)}
	other, err := second.Find(t.Context(), r.ref(0, "demo/root"))
	if err != nil {
		t.Fatal(err)
	}
	keys = append(keys, other.(*key))
	var wg sync.WaitGroup
	for g := range 32 {
		wg.Go(func() {
			if err := sign(t.Context(), keys[g%len(keys)]); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if want := 1 + 32 - 11; asked != want {
		t.Errorf("asked %d times, want %d", asked, want)
	}
	for _, pin := range given {
		if !bytes.Equal(pin, make([]byte, len(pin))) {
			t.Error("a PIN was not cleared")
		}
	}
}

// TestAlwaysAuthenticateWrongPIN: one try, and a session that is not used
// again; on a token with one session that session held the login.
func TestAlwaysAuthenticateWrongPIN(t *testing.T) {
	r := newRoom(t, "officiant-root")
	w := r.wrap(t)
	s := r.open(t, 0)
	k := asking(t, s, r.ref(0, "demo/root"), signer.ECDSAP256)
	right := r.pin
	r.pin = "not-the-pin-77"
	w.calls(t)
	err := sign(t.Context(), k)
	if !errors.Is(err, signer.ErrPIN) || errors.Is(err, signer.ErrUnavailable) {
		t.Fatalf("%v, want %v", err, signer.ErrPIN)
	}
	for _, want := range []string{"demo/root", "officiant-root", "CKR_PIN_INCORRECT", "tried once",
		"reports at least one wrong PIN"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error does not say %q: %v", want, err)
		}
	}
	if strings.Contains(err.Error(), r.pin) {
		t.Errorf("error tells the PIN: %v", err)
	}
	if calls := w.calls(t); calls["C_Login"] != 1 || calls["C_Sign"] != 0 || calls["C_CloseSession"] != 1 || r.asked != 2 {
		t.Errorf("%d questions, calls %v", r.asked, calls)
	}
	r.pin = right
	if err := sign(t.Context(), k); err != nil {
		t.Errorf("with the right PIN: %v", err)
	}
	if last := r.devices[len(r.devices)-1]; !last.PINCountLow {
		t.Error("the next question does not know that the count is low")
	}
}

func TestAlwaysAuthenticateOneSession(t *testing.T) {
	r := newRoom(t, "officiant-root")
	w := r.wrap(t)
	w.order(t, "sessions 1")
	s := r.open(t, 0)
	k := asking(t, s, r.ref(0, "demo/root"), signer.ECDSAP256)
	if err := sign(t.Context(), k); err != nil {
		t.Fatal(err)
	}
	right := r.pin
	r.pin = "not-the-pin-77"
	if err := sign(t.Context(), k); !errors.Is(err, signer.ErrPIN) {
		t.Errorf("%v, want %v", err, signer.ErrPIN)
	}
	r.pin = right
	// The session was closed, and the login with it: no key is said to be absent.
	if _, err := s.Find(t.Context(), r.ref(0, "demo/root")); !errors.Is(err, signer.ErrUnavailable) || !strings.Contains(err.Error(), "enter the PIN anew") {
		t.Errorf("%v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	w.order(t)
	again := r.open(t, 0)
	if _, err := again.Find(t.Context(), r.ref(0, "demo/root")); err != nil {
		t.Error(err)
	}
}

// TestAlwaysAuthenticateState: the flags are read before each question.
func TestAlwaysAuthenticateState(t *testing.T) {
	for _, c := range []struct {
		order string
		want  string
		final bool
	}{
		{"flags 0x40000", "locked after too many wrong ones", false},
		{"flags 0x20000", "To go on", true},
	} {
		r := newRoom(t, "officiant-root")
		w := r.wrap(t)
		s := r.open(t, 0)
		k := asking(t, s, r.ref(0, "demo/root"), signer.ECDSAP256)
		w.order(t, c.order)
		w.calls(t)
		err := sign(t.Context(), k)
		if !errors.Is(err, signer.ErrUnavailable) || errors.Is(err, signer.ErrFinalTry) != c.final || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.order, err)
		}
		if calls := w.calls(t); calls["C_Login"] != 0 || r.asked != 1 {
			t.Errorf("%s: %d questions, calls %v", c.order, r.asked, calls)
		}
		w.order(t)
		if err := sign(t.Context(), k); err != nil {
			t.Errorf("afterwards: %v", err)
		}
		swap := s.ask
		s.ask = func(ctx context.Context, d signer.Device) ([]byte, error) {
			w.order(t, "serial 0000")
			return swap(ctx, d)
		}
		w.calls(t)
		if err := sign(t.Context(), k); !errors.Is(err, signer.ErrUnavailable) || !strings.Contains(err.Error(), "its slot holds") || w.calls(t)["C_Login"] != 0 {
			t.Errorf("another token: %v", err)
		}
	}
}

// TestAlwaysAuthenticateSource: a PIN that is read is read each time; one that
// was refused is not tried again.
func TestAlwaysAuthenticateSource(t *testing.T) {
	r := newRoom(t, "officiant-root")
	w := r.wrap(t)
	source := filepath.Join(t.TempDir(), "pin")
	write := func(pin string) {
		if err := os.WriteFile(source, []byte(pin+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(r.pin)
	ref := r.ref(0, "demo/root")
	ref.URI += "&pin-source=file:" + source
	opened, err := Open(t.Context(), ref, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	k := asking(t, opened.(*store), ref, signer.ECDSAP256)
	if err := sign(t.Context(), k); err != nil {
		t.Fatal(err)
	}
	write("not-the-pin-77")
	w.calls(t)
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			if err := sign(t.Context(), k); !errors.Is(err, signer.ErrPIN) {
				t.Errorf("%v, want %v", err, signer.ErrPIN)
			}
		})
	}
	wg.Wait()
	if n := w.calls(t)["C_Login"]; n != 1 {
		t.Errorf("%d tries of one PIN", n)
	}
}

// TestAlwaysAuthenticateHangs: the PIN of a call that is left behind is the
// call's to clear, that of one that never began the caller's.
func TestAlwaysAuthenticateHangs(t *testing.T) {
	r := newRoom(t, "officiant-root")
	w := r.wrap(t)
	s := r.open(t, 0)
	k := asking(t, s, r.ref(0, "demo/root"), signer.ECDSAP256)
	var given []byte
	s.ask = func(ctx context.Context, d signer.Device) ([]byte, error) {
		pin, err := r.ask(ctx, d)
		given = pin
		return pin, err
	}
	ended, cancel := context.WithCancel(t.Context())
	ask := s.ask
	s.ask = func(ctx context.Context, d signer.Device) ([]byte, error) { defer cancel(); return ask(ctx, d) }
	if err := sign(ended, k); !errors.Is(err, context.Canceled) || !bytes.Equal(given, make([]byte, len(given))) {
		t.Errorf("%v, or the PIN was not cleared", err)
	}
	s.ask = ask
	w.order(t, "hang C_Login")
	err := w.cancelled(t, "C_Login", func(ctx context.Context) error { return sign(ctx, k) })
	if !errors.Is(err, context.Canceled) || !errors.Is(err, signer.ErrUnavailable) {
		t.Errorf("%v", err)
	}
	if err := sign(t.Context(), k); !errors.Is(err, signer.ErrUnavailable) {
		t.Errorf("afterwards: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	w.order(t)
	processEnds(t, s)
	s.calls.Wait() // the call that was left behind returns after its process has ended
	if !bytes.Equal(given, make([]byte, len(given))) {
		t.Error("the PIN was not cleared")
	}
}

// TestAlwaysAuthenticatePad: a token with a pad is given no PIN.
func TestAlwaysAuthenticatePad(t *testing.T) {
	r := newRoom(t, "officiant-root")
	w := r.wrap(t)
	s := r.open(t, 0)
	k := asking(t, s, r.ref(0, "demo/root"), signer.ECDSAP256)
	w.order(t, "flags 0x100", "accept C_Login", "accept C_Sign") // SoftHSM has none
	if err := sign(t.Context(), k); err == nil || r.asked != 1 || w.calls(t)["C_Login"] != 2 {
		t.Errorf("%v, %d questions", err, r.asked)
	}
}

// TestAlwaysAuthenticateIgnored: opencryptoki takes the attribute and knows no
// such login. Nothing is signed that only looks as if a PIN had been checked.
func TestAlwaysAuthenticateIgnored(t *testing.T) {
	r := newRoom(t, "officiant-root")
	w := r.wrap(t)
	s := r.open(t, 0)
	k := asking(t, s, r.ref(0, "demo/root"), signer.ECDSAP256)
	w.order(t, "fail C_Login 0x103")
	w.calls(t)
	err := sign(t.Context(), k)
	if err == nil || errors.Is(err, signer.ErrPIN) || !strings.Contains(err.Error(), "CKR_USER_TYPE_INVALID") || w.calls(t)["C_Sign"] != 0 {
		t.Errorf("%v", err)
	}
	w.order(t)
	if err := sign(t.Context(), k); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}
