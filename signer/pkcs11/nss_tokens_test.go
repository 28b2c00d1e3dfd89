//go:build tokens && cgo

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
	"officiant/signer/pkcs11/pkcs11test"
)

// TestNSSLies: softokn says false of a key that was made inside and, of a key
// that may be modified, true when it is told to. Attributes are claims.
func TestNSSLies(t *testing.T) {
	token := pkcs11test.NSS(t)
	s := enter(t, token)
	k := create(t, s, named(token, "demo/root"), signer.ECDSAP256)
	if i := k.Info(); i.Grade != signer.Unproven || !strings.Contains(i.Reason, "CKA_LOCAL is false") || !i.Device.Software {
		t.Errorf("grade %s: %s", i.Grade, i.Reason)
	}
	on(t, s, func(h pkcs11.SessionHandle) error {
		local := []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_LOCAL, true)}
		if err := s.lib.ctx.SetAttributeValue(h, k.handle, local); err == nil {
			t.Error("our key takes another CKA_LOCAL, though it is not modifiable")
		}
		soft, err := s.maker.generateWith(h, signer.ECDSAP256, "demo/theirs", []byte{7}, nil)
		if err == nil {
			err = s.lib.ctx.SetAttributeValue(h, soft.private, local)
		}
		return err
	})
	theirs, err := s.Find(t.Context(), named(token, "demo/theirs"))
	if err != nil {
		t.Fatal(err)
	}
	if i := theirs.Info(); i.Grade != signer.Software {
		t.Errorf("the lie is seen: grade %s: %s", i.Grade, i.Reason)
	}
}

// TestNSSReplaces: softokn replaces a key by a new one of the same CKA_ID.
func TestNSSReplaces(t *testing.T) {
	token := pkcs11test.NSS(t)
	s := enter(t, token)
	ref, id := named(token, "demo/root"), newID(t)
	made, err := s.Create(t.Context(), ref, signer.Spec{Algorithm: signer.ECDSAP256}, id)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Create(t.Context(), named(token, "demo/other"), signer.Spec{Algorithm: signer.ECDSAP256}, id); !errors.Is(err, signer.ErrExists) {
		t.Fatalf("with the id of another: %v", err)
	}
	found, err := s.Find(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := signer.Challenge(t.Context(), found, made.Public(), make([]byte, signer.NonceSize)); err != nil {
		t.Errorf("after the refusal: %v", err)
	}

	// The trap itself, with our check left out.
	on(t, s, func(h pkcs11.SessionHandle) error {
		_, err := s.maker.generateWith(h, signer.ECDSAP256, "demo/other", id[:], nil)
		return err
	})
	again, err := s.FindID(t.Context(), ref, id)
	if err == nil {
		_, err = signer.Challenge(t.Context(), again, made.Public(), make([]byte, signer.NonceSize))
	}
	if err == nil {
		t.Error("the first key is still there: the trap is gone")
	}
}

// TestNSSWrongPIN: no flag tells of a wrong PIN, and none locks.
func TestNSSWrongPIN(t *testing.T) {
	token := pkcs11test.NSS(t)
	wrong := func(context.Context, signer.Device) ([]byte, error) { return []byte("not-the-pin-77"), nil }
	for range 4 {
		_, err := Open(t.Context(), named(token, ""), wrong)
		if !errors.Is(err, signer.ErrPIN) || !strings.Contains(err.Error(), "does not report a low count") || strings.Contains(err.Error(), "not-the-pin-77") {
			t.Fatalf("%v", err)
		}
	}
	enter(t, token)
}

// TestNSSNeedsParameters: the module as it is installed cannot be initialized by
// a program that is not one of Mozilla's, and says so.
func TestNSSNeedsParameters(t *testing.T) {
	token := pkcs11test.NSS(t)
	reserved, err := os.ReadFile(filepath.Join(filepath.Dir(token.Module), "reserved"))
	if err != nil {
		t.Fatal(err)
	}
	token.Module, _, _ = strings.Cut(string(reserved), "\n")
	_, err = Open(t.Context(), named(token, ""), entry(token))
	if !errors.Is(err, signer.ErrUnavailable) || !strings.Contains(err.Error(), token.Module) || !strings.Contains(err.Error(), "CKR_ARGUMENTS_BAD") {
		t.Errorf("%v", err)
	}
}
