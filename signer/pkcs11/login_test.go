//go:build cgo

package pkcs11

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/pkcs11"

	"officiant/signer"
)

func TestWrongPIN(t *testing.T) {
	r := newRoom(t, "officiant-root")
	w := r.wrap(t)
	right := r.pin
	r.pin = "not-the-pin-77"
	var given []byte
	ask := func(ctx context.Context, d signer.Device) ([]byte, error) {
		pin, err := r.ask(ctx, d)
		given = pin
		return pin, err
	}
	_, err := Open(t.Context(), r.ref(0, ""), ask)
	if !errors.Is(err, signer.ErrPIN) {
		t.Fatalf("%v, want %v", err, signer.ErrPIN)
	}
	for _, want := range []string{"officiant-root", r.made[0].Serial, "CKR_PIN_INCORRECT",
		"reports at least one wrong PIN"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error does not say %q: %v", want, err)
		}
	}
	if strings.Contains(err.Error(), r.pin) {
		t.Errorf("error tells the PIN: %v", err)
	}
	if n := w.calls(t)["C_Login"]; n != 1 || r.asked != 1 {
		t.Errorf("%d logins and %d questions, want one each", n, r.asked)
	}
	if !bytes.Equal(given, make([]byte, len(given))) {
		t.Error("the PIN was not cleared")
	}

	r.pin = right
	r.open(t, 0)
	if last := r.devices[len(r.devices)-1]; !last.PINCountLow {
		t.Error("the next question does not know that the count is low")
	}
}

// TestPINState refuses before anybody is asked.
func TestPINState(t *testing.T) {
	for _, c := range []struct {
		name, order, want string
	}{
		{"locked", "flags 0x40000", "locked after too many wrong ones"},
		{"final try", "flags 0x20000", "To go on"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRoom(t, "officiant-root")
			w := r.wrap(t)
			w.order(t, c.order)
			_, err := Open(t.Context(), r.ref(0, ""), r.ask)
			if !errors.Is(err, signer.ErrUnavailable) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), r.made[0].Serial) {
				t.Fatalf("%v", err)
			}
			if errors.Is(err, signer.ErrFinalTry) != (c.name == "final try") {
				t.Errorf("a caller cannot tell: %v", err)
			}
			if calls := w.calls(t); r.asked != 0 || calls["C_Login"] != 0 || calls["C_Finalize"] != 1 {
				t.Errorf("%d questions, calls %v", r.asked, calls)
			}
		})
	}
}

// TestFinalTry: the last try is made on the one token named for it, and not on
// one that is locked.
func TestFinalTry(t *testing.T) {
	r := newRoom(t, "officiant-root", "officiant-issuing")
	w := r.wrap(t)
	w.order(t, "flags 0x20000")
	named := Options{FinalTry: r.made[0].Serial}
	s, err := named.Open(t.Context(), r.ref(0, ""), r.ask)
	if err != nil {
		t.Fatal(err)
	}
	if !r.devices[0].PINFinalTry {
		t.Error("who is asked does not know that it is the last try")
	}
	k := asking(t, s.(*store), r.ref(0, "demo/root"), signer.ECDSAP256)
	if err := sign(t.Context(), k); err != nil { // its PIN is tried too
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	asked := r.asked
	for name, refused := range map[string]func() error{
		"another token": func() error { _, err := named.Open(t.Context(), r.ref(1, ""), r.ask); return err },
		"none named":    func() error { _, err := Open(t.Context(), r.ref(0, ""), r.ask); return err },
		"part of a serial": func() error {
			_, err := Options{FinalTry: r.made[0].Serial[1:]}.Open(t.Context(), r.ref(0, ""), r.ask)
			return err
		},
		"its label": func() error {
			_, err := Options{FinalTry: r.made[0].Label}.Open(t.Context(), r.ref(0, ""), r.ask)
			return err
		},
		"no serial to name": func() error {
			w.order(t, "flags 0x20000", "no serial")
			_, err := Open(t.Context(), signer.Ref{URI: "pkcs11:token=officiant-root?module-path=" + r.module}, r.ask)
			return err
		},
	} {
		if err := refused(); !errors.Is(err, signer.ErrFinalTry) || !errors.Is(err, signer.ErrUnavailable) || r.asked != asked {
			t.Errorf("%s: %v", name, err)
		}
		w.order(t, "flags 0x20000")
	}
	w.order(t, "flags 0x60000")
	if _, err := named.Open(t.Context(), r.ref(0, ""), r.ask); !errors.Is(err, signer.ErrUnavailable) || errors.Is(err, signer.ErrFinalTry) || r.asked != asked {
		t.Errorf("locked: %v", err)
	}
}

func TestPINAfterWrongPIN(t *testing.T) {
	for _, c := range []struct{ order, want string }{
		{"flags 0x20000", "ONE TRY IS LEFT"},
		{"flags 0x40000", "locked now"},
	} {
		r := newRoom(t, "officiant-root")
		w := r.wrap(t)
		ask := func(context.Context, signer.Device) ([]byte, error) {
			w.order(t, c.order) // from now on
			return []byte("not-the-pin-77"), nil
		}
		_, err := Open(t.Context(), r.ref(0, ""), ask)
		if !errors.Is(err, signer.ErrPIN) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v", err)
		}
	}
}

// TestSwappedToken: the PIN is for the token it was asked for, and no other.
func TestSwappedToken(t *testing.T) {
	for order, want := range map[string]string{"serial 0000": "its slot holds", "flags 0x80000": "has to be changed"} {
		r := newRoom(t, "officiant-root")
		w := r.wrap(t)
		ask := func(ctx context.Context, d signer.Device) ([]byte, error) {
			w.order(t, order)
			return r.ask(ctx, d)
		}
		_, err := Open(t.Context(), r.ref(0, ""), ask)
		if !errors.Is(err, signer.ErrUnavailable) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", order, err)
		}
		if n := w.calls(t)["C_Login"]; n != 0 {
			t.Errorf("%s: %d logins", order, n)
		}
	}
}

func TestPINPad(t *testing.T) {
	r := newRoom(t, "officiant-root")
	w := r.wrap(t)
	w.order(t, "flags 0x100") // SoftHSM has no pad, and says so when it gets no PIN
	_, err := Open(t.Context(), r.ref(0, ""), r.ask)
	if err == nil || !strings.Contains(err.Error(), "CKR_ARGUMENTS_BAD") || r.asked != 0 {
		t.Errorf("%v, %d questions", err, r.asked)
	}
}

func TestNoPIN(t *testing.T) {
	r := newRoom(t, "officiant-root")
	refused := errors.New("nobody there")
	for _, c := range []struct {
		name string
		ask  signer.PINFunc
		want string
	}{
		{"nobody to ask", nil, "nobody to ask"},
		{"refused", func(context.Context, signer.Device) ([]byte, error) { return nil, refused }, "nobody there"},
		{"empty", func(context.Context, signer.Device) ([]byte, error) { return nil, nil }, "nothing was entered"},
	} {
		if _, err := Open(t.Context(), r.ref(0, ""), c.ask); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestForeignLogin: with other code logged in, any PIN would pass.
func TestForeignLogin(t *testing.T) {
	r := newRoom(t, "officiant-root")
	lib, err := Options{}.acquire(r.module)
	if err != nil {
		t.Fatal(err)
	}
	defer lib.release()
	token, err := lib.find(address{token: "officiant-root"})
	if err != nil {
		t.Fatal(err)
	}
	h, err := lib.ctx.OpenSession(token.slot, pkcs11.CKF_SERIAL_SESSION)
	if err != nil {
		t.Fatal(err)
	}
	defer lib.ctx.CloseSession(h)
	if err := lib.ctx.Login(h, pkcs11.CKU_USER, []byte(r.pin)); err != nil {
		t.Fatal(err)
	}
	_, err = Open(t.Context(), r.ref(0, ""), r.ask)
	if !errors.Is(err, signer.ErrUnavailable) || !strings.Contains(err.Error(), "other code") || r.asked != 0 {
		t.Errorf("%v, %d questions", err, r.asked)
	}
}

func TestPINSource(t *testing.T) {
	r := newRoom(t, "officiant-root")
	dir := t.TempDir()
	write := func(name, content string, mode os.FileMode) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		return p
	}
	open := func(source string) error {
		ref := r.ref(0, "")
		ref.URI += "&pin-source=" + source
		s, err := Open(t.Context(), ref, r.ask)
		if err != nil {
			return err
		}
		return s.Close()
	}
	for _, source := range []string{
		"file:" + write("plain", r.pin, 0o600),
		"file:" + write("newline", r.pin+"\n", 0o400),
		"file://" + write("crlf", r.pin+"\r\n", 0o600),
		write("path", r.pin+"\n", 0o600),
		"file:" + strings.ReplaceAll(write("with space", r.pin, 0o600), " ", "%2520"),
	} {
		if err := open(source); err != nil {
			t.Errorf("%s: %v", source, err)
		}
	}
	for source, want := range map[string]string{
		"file:" + filepath.Join(dir, "absent"):                    "no such file",
		"file:" + write("readable", r.pin, 0o644):                 "0600",
		"file:" + write("empty", "\n", 0o600):                     "no PIN",
		"file:" + write("lines", r.pin+"\nx\n", 0o600):            "more than one line",
		"file:" + write("long", strings.Repeat("7", 4000), 0o600): "longer than",
		"fd:9999": "fd:9999",
	} {
		err := open(source)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), r.pin) {
			t.Errorf("%s: %v", source, err)
		}
	}
	if err := open("file:" + write("wrong", "not-the-pin-77", 0o600)); !errors.Is(err, signer.ErrPIN) {
		t.Errorf("wrong PIN in a file: %v", err)
	}
	if r.asked != 0 {
		t.Errorf("asked %d times in spite of a pin-source", r.asked)
	}
}

// TestPINDescriptor reads one line for each token from one descriptor.
func TestPINDescriptor(t *testing.T) {
	r := newRoom(t, "officiant-root", "officiant-issuing")
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	fmt.Fprintf(out, "%s\n%s", r.pin, r.pin)
	out.Close()
	for i := range 2 {
		ref := r.ref(i, "")
		ref.URI += fmt.Sprintf("&pin-source=fd:%d", in.Fd())
		s, err := Open(t.Context(), ref, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
	}
	ref := r.ref(0, "")
	ref.URI += fmt.Sprintf("&pin-source=fd:%d", in.Fd())
	s, err := Open(t.Context(), ref, nil) // shares the login, reads nothing
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
}

// tries is a machine's memory of wrong PINs.
type tries map[string]int

func (m tries) Wrong(d signer.Device) int           { return m[d.Serial] }
func (m tries) Remember(d signer.Device, wrong int) { m[d.Serial] = wrong }

// TestTries: of a token that tells nothing of wrong PINs, two are tried and no third,
// whoever asks in a loop; by its serial one is, and a right one counts from the start.
func TestTries(t *testing.T) {
	r := newRoom(t, "officiant-root")
	w := r.wrap(t)
	w.order(t, "noflags 0x70000")
	memory := tries{}
	o := Options{Tries: memory}
	var told []int
	wrong := func(_ context.Context, d signer.Device) ([]byte, error) {
		told = append(told, d.PINWrong)
		return []byte("not-the-pin-77"), nil
	}
	for n := range 5 {
		_, err := o.Open(t.Context(), r.ref(0, ""), wrong)
		if n < 2 && (!errors.Is(err, signer.ErrPIN) || !strings.Contains(err.Error(), "as far as this machine knows")) ||
			n >= 2 && (!errors.Is(err, signer.ErrFinalTry) || errors.Is(err, signer.ErrPIN)) {
			t.Errorf("try %d: %v", n+1, err)
		}
	}
	if n := w.calls(t)["C_Login"]; n != 2 || !slices.Equal(told, []int{0, 1}) {
		t.Errorf("%d logins, told of %v", n, told)
	}
	o.FinalTry = r.made[0].Serial
	s, err := o.Open(t.Context(), r.ref(0, ""), r.ask)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if n := memory[r.made[0].Serial]; n != 0 {
		t.Errorf("after the right PIN %d wrong ones are remembered", n)
	}

	// One that tells is asked itself, since the count may be set back elsewhere.
	w.order(t)
	if _, err := o.Open(t.Context(), r.ref(0, ""), wrong); !errors.Is(err, signer.ErrPIN) {
		t.Errorf("%v", err)
	}
	if n := memory[r.made[0].Serial]; n != 0 {
		t.Errorf("%d wrong PINs are remembered of a token that tells of them", n)
	}
}
