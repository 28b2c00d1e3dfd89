//go:build cgo

package pkcs11

import (
	"errors"
	"strings"
	"testing"

	"officiant/signer"
)

func TestChangePIN(t *testing.T) {
	r := newRoom(t, "officiant-root")
	old, pin := []byte(r.pin), "a-new-one-4711"
	s := r.open(t, 0)
	for name, c := range map[string]struct{ old, pin string }{
		"the old one is wrong": {"not-the-pin-77", pin},
		"too short":            {r.pin, "1"},
		"too long":             {r.pin, strings.Repeat("9", 300)},
	} {
		err := s.ChangePIN(t.Context(), []byte(c.old), []byte(c.pin))
		if !errors.Is(err, signer.ErrPIN) || strings.Contains(err.Error(), r.pin) {
			t.Errorf("%s: %v, want %v", name, err, signer.ErrPIN)
		}
	}
	if err := s.ChangePIN(t.Context(), old, []byte(pin)); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), r.ref(0, ""), r.ask); !errors.Is(err, signer.ErrPIN) {
		t.Errorf("the old PIN: %v, want %v", err, signer.ErrPIN)
	}
	r.pin = pin
	r.open(t, 0)
}
