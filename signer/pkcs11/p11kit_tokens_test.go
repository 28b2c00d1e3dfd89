//go:build tokens && cgo

package pkcs11

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/pkcs11"

	"officiant/signer"
	"officiant/signer/pkcs11/module"
	"officiant/signer/pkcs11/pkcs11test"
)

// released waits until all that used a module, what was left behind too, has
// given it back.
func released(t *testing.T, module string) {
	t.Helper()
	real, err := filepath.EvalSymlinks(module)
	if err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		libraries.Lock()
		l := libraries.loaded[real]
		libraries.Unlock()
		if l == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("what was left behind does not end")
}

// opened is a token that the test closes itself.
func opened(t *testing.T, token pkcs11test.Token) *store {
	t.Helper()
	s, err := Open(t.Context(), named(token, ""), entry(token))
	if err != nil {
		t.Fatal(err)
	}
	return s.(*store)
}

// closes shows that a store closes, and soon.
func closes(t *testing.T, s *store) {
	t.Helper()
	start := time.Now()
	if err := s.Close(); err != nil || time.Since(start) > closeWait-time.Second {
		t.Errorf("close: %v after %v", err, time.Since(start))
	}
}

// TestP11KitKilled pulls the token out in the midst of signing, and puts it back.
func TestP11KitKilled(t *testing.T) {
	server, token := remote(t)
	s := opened(t, token)
	k := create(t, s, named(token, "demo/root"), signer.RSA2048)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	failed, signed := make(chan error), make(chan struct{}, 1)
	go func() {
		for {
			if err := sign(ctx, k); err != nil {
				failed <- err
				return
			}
			select {
			case signed <- struct{}{}:
			default:
			}
		}
	}()
	<-signed
	server.Kill()
	err := <-failed
	if !errors.Is(err, signer.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), token.Label) {
		t.Errorf("sign: %v", err)
	}
	if _, err := s.Find(ctx, named(token, "demo/root")); !errors.Is(err, signer.ErrUnavailable) || !strings.Contains(err.Error(), token.Label) {
		t.Errorf("find: %v", err)
	}
	closes(t, s)
	if _, err := Open(t.Context(), named(token, ""), entry(token)); !errors.Is(err, signer.ErrUnavailable) {
		t.Errorf("open without a server: %v", err)
	}

	server.Again(t)
	again := enter(t, token)
	found, err := again.Find(t.Context(), named(token, "demo/root"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := signer.Challenge(t.Context(), found, k.public, make([]byte, signer.NonceSize)); err != nil {
		t.Error(err)
	}
}

// TestP11KitStopped holds the token in a signature and lets it go on.
func TestP11KitStopped(t *testing.T) {
	server, token := remote(t)
	s := opened(t, token)
	k := create(t, s, named(token, "demo/root"), signer.ECDSAP256)
	server.Stop()
	hangs(t, "sign", func(ctx context.Context) error { return sign(ctx, k) })
	if err := sign(t.Context(), k); !errors.Is(err, signer.ErrUnavailable) || !strings.Contains(err.Error(), "given up") {
		t.Errorf("sign once more: %v", err)
	}
	closes(t, s)

	server.Continue()
	again := enter(t, token)
	found, err := again.Find(t.Context(), named(token, "demo/root"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := signer.Challenge(t.Context(), found, k.public, make([]byte, signer.NonceSize)); err != nil {
		t.Error(err)
	}
}

// TestP11KitStoppedInABatch: a token that hangs in the first of several signatures that were
// asked for at once is given up after the limit of one.
func TestP11KitStoppedInABatch(t *testing.T) {
	server, token := remote(t)
	opened, err := Options{Timeout: time.Second}.Open(t.Context(), named(token, "demo/root"), entry(token))
	if err != nil {
		t.Fatal(err)
	}
	s := opened.(*store)
	k := create(t, s, named(token, "demo/root"), signer.ECDSAP256)
	for range 20 { // so that the queue knows how quick it is, and asks for several
		if err := sign(t.Context(), k); err != nil {
			t.Fatal(err)
		}
	}
	server.Stop()
	defer server.Continue()
	done := make(chan error)
	for range 64 {
		go func() { done <- sign(context.Background(), k) }()
	}
	for range 64 {
		var late *module.Late
		if err := <-done; !errors.As(err, &late) && !strings.Contains(err.Error(), "given up") {
			t.Errorf("%v", err)
		} else if late != nil && late.After != time.Second {
			t.Errorf("given up after %s", late.After)
		}
	}
	closes(t, s)
}

// TestP11KitStoppedInOtherCalls holds the token in every other call that people wait for.
func TestP11KitStoppedInOtherCalls(t *testing.T) {
	for name, call := range map[string]func(context.Context, *store, signer.Ref) error{
		"find": func(ctx context.Context, s *store, ref signer.Ref) error { _, err := s.Find(ctx, ref); return err },
		"create": func(ctx context.Context, s *store, ref signer.Ref) error {
			_, err := s.Create(ctx, ref, signer.Spec{Algorithm: signer.ECDSAP256}, signer.ID{1})
			return err
		},
		"open": func(ctx context.Context, _ *store, ref signer.Ref) error {
			_, err := Open(ctx, ref, func(context.Context, signer.Device) ([]byte, error) { return nil, errors.New("asked for a PIN") })
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			server, token := remote(t)
			s := opened(t, token)
			server.Stop()
			hangs(t, name, func(ctx context.Context) error { return call(ctx, s, named(token, "demo/root")) })
			server.Continue()
			if err := s.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
			if name != "open" { // which gives a module that hung never back
				released(t, token.Module)
			}
			enter(t, token)
		})
	}
}

// TestP11KitAddress: a client with an address it cannot read answers
// C_GetFunctionList with an error, on which miekg/pkcs11 alone runs into a NULL.
func TestP11KitAddress(t *testing.T) {
	for address, want := range map[string]string{
		"garbage":                         "C_GetFunctionList",
		"unix:path=":                      "",
		"unix:path=/nowhere/p11-kit.sock": "no token",
		"tcp:127.0.0.1:1":                 "C_GetFunctionList",
	} {
		t.Setenv("P11_KIT_SERVER_ADDRESS", address)
		token := pkcs11test.Token{Module: pkcs11test.Client(t), Label: "officiant-root"}
		_, err := Open(t.Context(), named(token, ""), entry(token))
		if !errors.Is(err, signer.ErrUnavailable) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), token.Module) {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// TestP11KitFilters: the server does not pass on what it does not know, such as
// EdDSA, so a module is asked through it and not trusted to be what it serves.
func TestP11KitFilters(t *testing.T) {
	_, token := remote(t)
	s := enter(t, token)
	has := func(mechanism uint) bool {
		_, err := s.lib.ctx.GetMechanismInfo(s.token.slot, mechanism)
		return err == nil
	}
	if !has(pkcs11.CKM_ECDSA) || has(0x1057) {
		t.Errorf("ECDSA %t, EdDSA %t", has(pkcs11.CKM_ECDSA), has(0x1057))
	}
	if info := create(t, s, named(token, "demo/root"), signer.ECDSAP256).Info(); info.Grade != signer.Software {
		t.Errorf("grade %s: %s", info.Grade, info.Reason)
	}
}

// TestP11KitWrongPIN: flags and codes of the PIN come through.
func TestP11KitWrongPIN(t *testing.T) {
	_, token := remote(t)
	wrong := func(context.Context, signer.Device) ([]byte, error) { return []byte("not-the-pin-77"), nil }
	_, err := Open(t.Context(), named(token, ""), wrong)
	if !errors.Is(err, signer.ErrPIN) || !strings.Contains(err.Error(), "reports at least one wrong PIN") {
		t.Errorf("%v", err)
	}
	if s := enter(t, token); !s.Describe().PINCountLow {
		t.Error("the next login does not know that the count is low")
	}
}
