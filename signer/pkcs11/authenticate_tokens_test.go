//go:build tokens && cgo

package pkcs11

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/miekg/pkcs11"

	"officiant/signer"
	"officiant/signer/pkcs11/pkcs11test"
)

func TestTPM2AlwaysAuthenticate(t *testing.T) {
	asks(t, pkcs11test.TPM2(t, "tpm").Tokens[0])
}

func TestP11KitAlwaysAuthenticate(t *testing.T) {
	_, token := remote(t)
	asks(t, token)
}

// TestOpencryptokiAlwaysAuthenticate and TestNSSAlwaysAuthenticate: these let a
// key be marked, and sign with it all the same. Officiant does not.
func TestOpencryptokiAlwaysAuthenticate(t *testing.T) {
	ignores(t, pkcs11test.Opencryptoki(t), signer.RSA2048, "CKR_USER_TYPE_INVALID")
}

func TestNSSAlwaysAuthenticate(t *testing.T) {
	ignores(t, pkcs11test.NSS(t), signer.ECDSAP256, "CKR_USER_ALREADY_LOGGED_IN")
}

// asks uses a key that wants its PIN at each signature between others that do not.
func asks(t *testing.T, token pkcs11test.Token) {
	t.Helper()
	pin := token.PIN
	var asked []string
	opened, err := Open(t.Context(), named(token, ""), func(_ context.Context, d signer.Device) ([]byte, error) {
		asked = append(asked, d.PINFor)
		return bytes.Clone([]byte(pin)), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	s := opened.(*store)
	defer s.Close()
	other := create(t, s, named(token, "demo/other"), signer.ECDSAP256)
	k := askingKey(t, s, token, signer.ECDSAP256)
	for range 2 {
		if err := errors.Join(sign(t.Context(), k), sign(t.Context(), other)); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Join(asked, " "); got != " demo/asking demo/asking" { // the login's first
		t.Errorf("asked for %q", got)
	}
	pin = "not-the-pin-77"
	if err := sign(t.Context(), k); !errors.Is(err, signer.ErrPIN) {
		t.Errorf("with a wrong PIN: %v", err)
	}
	pin = token.PIN // no operation is left open in the session
	if err := errors.Join(sign(t.Context(), other), sign(t.Context(), k)); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	if err := sign(t.Context(), unmarked(k)); err == nil {
		t.Error("signed without the PIN")
	}
}

func ignores(t *testing.T, token pkcs11test.Token, a signer.Algorithm, want string) {
	t.Helper()
	s := enter(t, token)
	other := create(t, s, named(token, "demo/other"), a)
	k := askingKey(t, s, token, a)
	if err := sign(t.Context(), unmarked(k)); err != nil {
		t.Errorf("the token sees to it: %v", err)
	}
	if err := sign(t.Context(), k); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "demo/asking") {
		t.Errorf("%v", err)
	}
	if err := sign(t.Context(), other); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// unmarked is the key as it signs when no PIN is asked for.
func unmarked(k *key) *key {
	plain := *k
	plain.info.Attributes = nil
	return &plain
}

// askingKey makes a key that wants its PIN at each signature, as Create never does.
func askingKey(t *testing.T, s *store, token pkcs11test.Token, a signer.Algorithm) *key {
	t.Helper()
	id := newID(t)
	on(t, s, func(h pkcs11.SessionHandle) error {
		public, private, mechanism, err := templates(a, "demo/asking", id[:], nil)
		if err != nil {
			return err
		}
		private = append(private, pkcs11.NewAttribute(pkcs11.CKA_ALWAYS_AUTHENTICATE, true))
		_, _, err = s.lib.ctx.GenerateKeyPair(h, []*pkcs11.Mechanism{pkcs11.NewMechanism(mechanism, nil)}, public, private)
		return err
	})
	k, err := s.Find(t.Context(), named(token, "demo/asking"))
	if err != nil {
		t.Fatal(err)
	}
	return k.(*key)
}
