//go:build tokens && cgo

package pkcs11

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/miekg/pkcs11"

	"officiant/signer"
	"officiant/signer/pkcs11/pkcs11test"
)

// TestTPM2Tokens: all tokens of a TPM have one serial, of zeros, so a URI tells
// them apart by their labels alone.
func TestTPM2Tokens(t *testing.T) {
	tokens := pkcs11test.TPM2(t, "one", "two").Tokens
	for _, token := range tokens {
		s := enter(t, token)
		if d := s.Describe(); d.Label != token.Label || d.Serial != "0000000000000000" || !d.Software {
			t.Errorf("%+v", d)
		}
		create(t, s, named(token, "demo/"+token.Label), signer.ECDSAP256)
		if _, err := s.Find(t.Context(), named(token, "demo/one")); (err == nil) != (token.Label == "one") {
			t.Errorf("token %s: %v", token.Label, err)
		}
	}
	_, err := Open(t.Context(), signer.Ref{URI: strings.Replace(tokens[0].URI(), "token=one", "serial=0000000000000000", 1)},
		func(context.Context, signer.Device) ([]byte, error) { return nil, errors.New("asked for a PIN") })
	if !errors.Is(err, signer.ErrUnavailable) || !strings.Contains(err.Error(), "tokens with serial") || strings.Contains(err.Error(), "asked") {
		t.Errorf("by serial: %v", err)
	}
}

func TestTPM2Refuses(t *testing.T) {
	token := pkcs11test.TPM2(t, "tpm").Tokens[0]
	s := enter(t, token)
	refusesKey(t, s, token, signer.RSA4096, signer.ECDSAP521)
	if err := sign(t.Context(), create(t, s, named(token, "demo/root"), signer.ECDSAP256)); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// TestTPM2Evidence: what the module says of a key is a text file of its own,
// which anyone who is logged in may change.
func TestTPM2Evidence(t *testing.T) {
	token := pkcs11test.TPM2(t, "tpm").Tokens[0]
	s := enter(t, token)
	for _, a := range []signer.Algorithm{signer.ECDSAP256, signer.RSA2048} {
		ref := named(token, "demo/"+string(a))
		k := create(t, s, ref, a)
		if i := k.Info(); i.Grade != signer.Software || i.Attributes["CKA_LOCAL"] != isTrue {
			t.Errorf("%s: grade %s: %s; %v", a, i.Grade, i.Reason, i.Attributes)
		}
		on(t, s, func(h pkcs11.SessionHandle) error {
			return s.lib.ctx.SetAttributeValue(h, k.handle, []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_EXTRACTABLE, true)})
		})
		found, err := s.Find(t.Context(), ref)
		if err != nil {
			t.Fatal(err)
		}
		if i := found.Info(); i.Grade != signer.Unproven || !strings.Contains(i.Reason, "CKA_EXTRACTABLE is true") {
			t.Errorf("%s, after it was made extractable: grade %s: %s", a, i.Grade, i.Reason)
		}
	}
}

// TestTPM2WrongPIN: no flag tells, and after a few wrong PINs the whole TPM
// refuses all of its tokens.
func TestTPM2WrongPIN(t *testing.T) {
	tokens := pkcs11test.TPM2(t, "one", "two").Tokens
	try := func(token pkcs11test.Token, pin string) error {
		s, err := Open(t.Context(), named(token, ""), func(context.Context, signer.Device) ([]byte, error) { return []byte(pin), nil })
		if err == nil {
			err = s.Close()
		}
		return err
	}
	var err error
	for range 12 {
		if err = try(tokens[0], "not-the-pin-77"); !errors.Is(err, signer.ErrPIN) {
			t.Fatalf("%v", err)
		}
		if strings.Contains(err.Error(), "CKR_PIN_LOCKED") {
			break
		}
	}
	if !strings.Contains(err.Error(), "CKR_PIN_LOCKED (too many wrong PINs") {
		t.Fatalf("not locked: %v", err)
	}
	if err := try(tokens[1], tokens[1].PIN); err == nil || !strings.Contains(err.Error(), "CKR_PIN_LOCKED") {
		t.Errorf("the other token, with its right PIN: %v", err)
	}
}

// TestTPM2OneSession: tpm2-pkcs11 1.9 breaks, and the process with it, when two
// sessions sign at once.
func TestTPM2OneSession(t *testing.T) {
	token := pkcs11test.TPM2(t, "tpm").Tokens[0]
	s := enter(t, token)
	if n := s.Sessions(); n != 1 {
		t.Errorf("%d sessions with %q", n, s.lib.info.ManufacturerID)
	}
}

// TestTPM2ManyKeys makes more keys in one login than a broker lets it that holds
// 27 objects for a program, its default: each key that is made takes four.
func TestTPM2ManyKeys(t *testing.T) {
	token := pkcs11test.TPM2(t, "tpm").Tokens[0]
	s := enter(t, token)
	for i := range 20 {
		k := create(t, s, named(token, fmt.Sprintf("demo/%d", i)), signer.ECDSAP256)
		if err := sign(t.Context(), k); err != nil {
			t.Errorf("key %d: %v", i, err)
		}
	}
}

// TestTPM2Stopped holds the TPM in a signature and lets it go on.
func TestTPM2Stopped(t *testing.T) {
	tpm := pkcs11test.TPM2(t, "tpm")
	token := tpm.Tokens[0]
	s := opened(t, token)
	k := create(t, s, named(token, "demo/root"), signer.ECDSAP256)
	tpm.Stop()
	hangs(t, "sign", func(ctx context.Context) error { return sign(ctx, k) })
	closes(t, s)
	tpm.Continue()
	released(t, token.Module)
	found, err := enter(t, token).Find(t.Context(), named(token, "demo/root"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := signer.Challenge(t.Context(), found, k.public, make([]byte, signer.NonceSize)); err != nil {
		t.Error(err)
	}
}

// TestTPM2Killed: when the TPM is gone, calls end, but the module does not say so.
func TestTPM2Killed(t *testing.T) {
	tpm := pkcs11test.TPM2(t, "tpm")
	token := tpm.Tokens[0]
	s := opened(t, token)
	k := create(t, s, named(token, "demo/root"), signer.ECDSAP256)
	tpm.Kill()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := sign(ctx, k); err == nil || errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), token.Label) {
		t.Errorf("sign: %v", err)
	}
	closes(t, s)
}
