//go:build cgo

package pkcs11

import (
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/miekg/pkcs11"

	"officiant/signer"
)

func TestAttributes(t *testing.T) {
	r := newRoom(t, "officiant-root")
	s := r.open(t, 0)
	want := map[string]string{
		"CKA_TOKEN": "true", "CKA_PRIVATE": "true", "CKA_SENSITIVE": "true", "CKA_EXTRACTABLE": "false",
		"CKA_ALWAYS_SENSITIVE": "true", "CKA_NEVER_EXTRACTABLE": "true", "CKA_LOCAL": "true", "CKA_SIGN": "true",
		"CKA_UNWRAP": "false", "CKA_SIGN_RECOVER": "false", "CKA_DERIVE": "false", "CKA_DECRYPT": "false",
		"CKA_MODIFIABLE": "false", "CKA_COPYABLE": "false", "CKA_ALWAYS_AUTHENTICATE": "false",
	}
	for a, mechanism := range map[signer.Algorithm]string{signer.ECDSAP256: "0x1040", signer.RSA2048: "0x0"} {
		info := create(t, s, r.ref(0, "demo/"+string(a)), a).Info()
		want["CKA_KEY_GEN_MECHANISM"] = mechanism
		if !maps.Equal(info.Attributes, want) {
			t.Errorf("%s: attributes\n%v, want\n%v", a, info.Attributes, want)
		}
		if info.Grade != signer.Software || !strings.Contains(info.Reason, "software") {
			t.Errorf("%s: grade %q (%s)", a, info.Grade, info.Reason)
		}
	}
}

func TestTakenID(t *testing.T) {
	r := newRoom(t, "officiant-root")
	s := r.open(t, 0)
	id := newID(t)
	spec := signer.Spec{Algorithm: signer.ECDSAP256}
	if _, err := s.Create(t.Context(), r.ref(0, "demo/root"), spec, id); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Create(t.Context(), r.ref(0, "demo/other"), spec, id); !errors.Is(err, signer.ErrExists) {
		t.Errorf("%v, want %v", err, signer.ErrExists)
	}
	if _, err := s.Create(t.Context(), r.ref(0, "demo/other"), spec, signer.ID{}); err == nil {
		t.Error("made a key with an id of zeros")
	}
	other := r.ref(0, "demo/other")
	other.URI = strings.Replace(other.URI, "?", ";id=%01?", 1)
	if _, err := s.Create(t.Context(), other, spec, newID(t)); err == nil {
		t.Error("made a key with another id than the URI's")
	}
	foreign := r.ref(0, "demo/other")
	foreign.URI = "pkcs11:token=elsewhere?module-path=" + r.module
	if _, err := s.Create(t.Context(), foreign, spec, newID(t)); err == nil {
		t.Error("made a key on another token than the URI's")
	}
}

// TestAnotherKey: a token that makes another key than it was asked for, or
// answers a search with another one, is not believed.
func TestAnotherKey(t *testing.T) {
	r := newRoom(t, "officiant-root")
	w := r.wrap(t)
	s := r.open(t, 0)
	w.order(t, "another curve")
	_, err := s.Create(t.Context(), r.ref(0, "demo/root"), signer.Spec{Algorithm: signer.ECDSAP256}, newID(t))
	if err == nil || !strings.Contains(err.Error(), "made, but cannot be used: the token made a key of ECDSA-P384, not ECDSA-P256") {
		t.Errorf("another curve: %v", err)
	}
	if n := count(t, s); n != 0 {
		t.Errorf("%d objects are left", n)
	}
	w.order(t)
	create(t, s, r.ref(0, "demo/root"), signer.ECDSAP256)
	w.order(t, "any label")
	if _, err := s.Find(t.Context(), r.ref(0, "demo/etcd")); err == nil || !strings.Contains(err.Error(), "the token answers with another key: ") || !strings.Contains(err.Error(), "demo/root") {
		t.Errorf("another label: %v", err)
	}
}

// TestHardening: what a token may do without is given up, as little of it as
// will do, and nothing else is.
func TestHardening(t *testing.T) {
	const decrypt, modifiable, copyable = "refuse 0x105", "refuse 0x170", "refuse 0x171"
	for _, c := range []struct {
		orders                        []string
		decrypt, modifiable, copyable string // as read back
		tries                         int
	}{
		{nil, isFalse, isFalse, isFalse, 1},
		{[]string{copyable}, isFalse, isFalse, isTrue, 3},
		{[]string{decrypt}, isTrue, isFalse, isFalse, 2},
		{[]string{decrypt, copyable}, isTrue, isFalse, isTrue, 4},
		{[]string{modifiable}, isFalse, isTrue, isFalse, 5},
		{[]string{decrypt, modifiable, copyable}, isTrue, isTrue, isTrue, 8},
	} {
		r := newRoom(t, "officiant-root")
		w := r.wrap(t)
		w.order(t, c.orders...)
		s := r.open(t, 0)
		k := create(t, s, r.ref(0, "demo/root"), signer.RSA2048)
		read := k.info.Attributes
		if read["CKA_DECRYPT"] != c.decrypt || read["CKA_MODIFIABLE"] != c.modifiable || read["CKA_COPYABLE"] != c.copyable || k.info.Grade != signer.Software {
			t.Errorf("%v: %v, grade %s", c.orders, read, k.info.Grade)
		}
		if err := sign(t.Context(), k); err != nil {
			t.Errorf("%v: %v", c.orders, err)
		}
		if n := w.calls(t)["C_GenerateKeyPair"]; n != c.tries {
			t.Errorf("%v: %d tries, want %d", c.orders, n, c.tries)
		}
		next := create(t, s, r.ref(0, "demo/next"), signer.RSA2048) // is made in the same way
		if n := w.calls(t)["C_GenerateKeyPair"]; n != 1 || !maps.Equal(next.info.Attributes, read) {
			t.Errorf("%v: the next key took %d tries: %v", c.orders, n, next.info.Attributes)
		}
	}
	r := newRoom(t, "officiant-root")
	w := r.wrap(t)
	s := r.open(t, 0)
	w.order(t, "refuse 0x162") // EXTRACTABLE=0 is not given up
	if _, err := s.Create(t.Context(), r.ref(0, "demo/root"), signer.Spec{Algorithm: signer.RSA2048}, newID(t)); err == nil || !strings.Contains(err.Error(), "CKR_TEMPLATE_INCONSISTENT") {
		t.Errorf("%v", err)
	}
	if n := w.calls(t)["C_GenerateKeyPair"]; n != 8 {
		t.Errorf("%d tries", n)
	}
}

// TestRefusedButMade: a refusal that leaves a key behind is no reason to make
// another one.
func TestRefusedButMade(t *testing.T) {
	r := newRoom(t, "officiant-root")
	w := r.wrap(t)
	s := r.open(t, 0)
	w.order(t, "then C_GenerateKeyPair 0xD1")
	_, err := s.Create(t.Context(), r.ref(0, "demo/root"), signer.Spec{Algorithm: signer.ECDSAP256}, newID(t))
	if !errors.Is(err, signer.ErrExists) || !strings.Contains(err.Error(), "after the token refused") {
		t.Errorf("%v", err)
	}
	if n := w.calls(t)["C_GenerateKeyPair"]; n != 1 {
		t.Errorf("%d tries", n)
	}
}

// TestAttributeAbsent: attributes are asked for one by one, so one that a token
// does not have hides no other, and is not taken for false.
func TestAttributeAbsent(t *testing.T) {
	r := newRoom(t, "officiant-root")
	w := r.wrap(t)
	s := r.open(t, 0)
	for attribute, want := range map[string]signer.Grade{
		"0x171": signer.Software, // COPYABLE
		"0x170": signer.Software, // MODIFIABLE
		"0x162": signer.Unproven, // EXTRACTABLE
		"0x163": signer.Unproven, // LOCAL
	} {
		w.order(t, "absent "+attribute)
		info := create(t, s, r.ref(0, "demo/"+attribute), signer.ECDSAP256).info
		gone := 0
		for _, v := range info.Attributes {
			if v == absent {
				gone++
			}
		}
		if gone != 1 || info.Grade != want || len(info.Attributes) != len(evidence)+1 {
			t.Errorf("%s: grade %s, attributes %v", attribute, info.Grade, info.Attributes)
		}
	}
}

// TestTemplate: what a token is asked for says each thing that matters, and
// never that a key shall not be destroyed.
func TestTemplate(t *testing.T) {
	for _, algorithm := range signer.Algorithms() {
		_, private, _, err := templates(algorithm, "demo/root", []byte{1}, hardening)
		if err != nil {
			t.Fatal(err)
		}
		got := map[uint]string{}
		for _, a := range private {
			got[a.Type] = boolean(a.Value)
		}
		want := map[uint]string{
			pkcs11.CKA_LABEL: boolean([]byte("demo/root")), pkcs11.CKA_ID: isTrue, // the id is one byte of 1
			pkcs11.CKA_TOKEN: isTrue, pkcs11.CKA_PRIVATE: isTrue, pkcs11.CKA_SENSITIVE: isTrue, pkcs11.CKA_SIGN: isTrue,
			pkcs11.CKA_EXTRACTABLE: isFalse, pkcs11.CKA_UNWRAP: isFalse, pkcs11.CKA_SIGN_RECOVER: isFalse, pkcs11.CKA_DERIVE: isFalse,
			pkcs11.CKA_DECRYPT: isFalse, pkcs11.CKA_COPYABLE: isFalse, pkcs11.CKA_MODIFIABLE: isFalse,
		}
		if !maps.Equal(got, want) || len(private) != len(want) {
			t.Errorf("%s: %v, want %v", algorithm, got, want)
		}
	}
}

// A YubiKey whose firmware attests no keys makes none. The token here is SoftHSM, and says
// that it is a YubiKey.
func TestCreateInSlots(t *testing.T) {
	r := newRoom(t, "root")
	opened, err := Open(t.Context(), r.ref(0, "root"), r.ask)
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	s := opened.(*store)
	spec := signer.Spec{Algorithm: signer.ECDSAP256}
	said := s.token.info
	for name, c := range map[string]struct {
		manufacturer, model string
		major, minor        byte
		refused             bool
	}{
		"YubiKey 5":   {"Yubico (www.yubico.com)", "YubiKey YK5", 5, 43, false},
		"YubiKey 4":   {"Yubico (www.yubico.com)", "YubiKey YK4", 4, 29, true},
		"YubiKey NEO": {"Yubico (www.yubico.com)", "YubiKey NEO", 1, 4, true},
		"YubiHSM 2":   {"Yubico (www.yubico.com)", "YubiHSM", 2, 4, false},
		"another's":   {"SoftHSM project", "YubiKey-like", 2, 6, false},
	} {
		s.token.info.ManufacturerID, s.token.info.Model = c.manufacturer, c.model
		s.token.info.FirmwareVersion.Major, s.token.info.FirmwareVersion.Minor = c.major, c.minor
		ref := r.ref(0, name)
		_, err := s.Create(t.Context(), ref, spec, newID(t))
		_, canary := s.Probe(t.Context(), ref, spec, newID(t), nil)
		s.token.info = said
		if c.refused != errors.Is(err, signer.ErrUnsupported) || c.refused != errors.Is(canary, signer.ErrUnsupported) {
			t.Errorf("%s: created: %v; canary: %v", name, err, canary)
		}
		if _, err := s.Find(t.Context(), ref); c.refused != errors.Is(err, signer.ErrNotFound) {
			t.Errorf("%s: found: %v", name, err)
		}
	}
}
