//go:build cgo

package pkcs11

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/miekg/pkcs11"

	"officiant/signer"
)

// foreign makes a key pair as another program would: with as few attributes
// as will do.
func foreign(t *testing.T, s *store, label string, id []byte, mechanism uint, public ...*pkcs11.Attribute) (made pair) {
	t.Helper()
	on(t, s, func(h pkcs11.SessionHandle) error {
		names := []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true), pkcs11.NewAttribute(pkcs11.CKA_LABEL, label)}
		if id != nil {
			names = append(names, pkcs11.NewAttribute(pkcs11.CKA_ID, id))
		}
		var err error
		made.public, made.private, err = s.lib.ctx.GenerateKeyPair(h, []*pkcs11.Mechanism{pkcs11.NewMechanism(mechanism, nil)},
			append(public, names...), append([]*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_SIGN, true)}, names...))
		if err != nil {
			return fmt.Errorf("%s: %w", label, err)
		}
		return nil
	})
	return made
}

func destroyObject(t *testing.T, s *store, o pkcs11.ObjectHandle) {
	t.Helper()
	on(t, s, func(h pkcs11.SessionHandle) error { return s.lib.ctx.DestroyObject(h, o) })
}

var (
	p256    = pkcs11.NewAttribute(pkcs11.CKA_EC_PARAMS, curves[signer.ECDSAP256].oid)
	p224    = pkcs11.NewAttribute(pkcs11.CKA_EC_PARAMS, []byte{0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x21})
	ed25519 = pkcs11.NewAttribute(pkcs11.CKA_EC_PARAMS, []byte("\x13\x0cedwards25519"))
)

// TestList: keys of every kind and maker, more of them than are ever asked for
// by name; those that cannot be used say why, and hide no other.
func TestList(t *testing.T) {
	r := newRoom(t, "officiant-root")
	s := r.open(t, 0)
	foreign(t, s, "a/ed25519", []byte{1}, 0x1055, ed25519)
	foreign(t, s, "a/p224", []byte{2}, pkcs11.CKM_EC_KEY_PAIR_GEN, p224)
	foreign(t, s, "a/rsa1024", []byte{3}, pkcs11.CKM_RSA_PKCS_KEY_PAIR_GEN, pkcs11.NewAttribute(pkcs11.CKA_MODULUS_BITS, 1024))
	destroyObject(t, s, foreign(t, s, "b/halved", []byte{4}, pkcs11.CKM_EC_KEY_PAIR_GEN, p256).public)
	destroyObject(t, s, foreign(t, s, "b/no id", nil, pkcs11.CKM_EC_KEY_PAIR_GEN, p256).public)
	on(t, s, func(h pkcs11.SessionHandle) error {
		_, err := s.lib.ctx.GenerateKey(h, []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_AES_KEY_GEN, nil)}, []*pkcs11.Attribute{
			pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true), pkcs11.NewAttribute(pkcs11.CKA_VALUE_LEN, 32), pkcs11.NewAttribute(pkcs11.CKA_LABEL, "b/secret")})
		return err
	})
	foreign(t, s, "c/foreign", []byte{6}, pkcs11.CKM_EC_KEY_PAIR_GEN, p256)
	for _, id := range []byte{9, 8, 7} { // equal labels, by id
		foreign(t, s, "c/twin", []byte{id}, pkcs11.CKM_EC_KEY_PAIR_GEN, p256)
	}
	for i := range 2 * enough {
		create(t, s, r.ref(0, fmt.Sprintf("d/%02d", 2*enough-1-i)), signer.ECDSAP256)
	}

	all, err := s.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, info := range all[:min(10, len(all))] {
		got = append(got, fmt.Sprintf("%s %x %s", info.Label, info.ID, info.Algorithm))
	}
	want := []string{"a/ed25519 01 ", "a/p224 02 ", "a/rsa1024 03 ", "b/halved 04 ", "b/no id  ", "b/secret  ",
		"c/foreign 06 ECDSA-P256", "c/twin 07 ECDSA-P256", "c/twin 08 ECDSA-P256", "c/twin 09 ECDSA-P256"}
	if !reflect.DeepEqual(got, want) || len(all) != len(want)+2*enough {
		t.Fatalf("%d keys, the first are\n%s", len(all), strings.Join(got, "\n"))
	}
	for i, reason := range []string{"Ed25519", "elliptic curve 1.3.132.0.33", "1024 bits", "does not tell",
		"no public key", "secret key"} {
		if info := all[i]; !strings.Contains(info.Reason, reason) || info.Grade != signer.Unproven || len(info.Attributes) == 0 || info.Device != s.device {
			t.Errorf("%s: grade %s (%s), %+v", info.Label, info.Grade, info.Reason, info.Attributes)
		}
	}
	for i, info := range all[len(want):] {
		ref := r.ref(0, fmt.Sprintf("d/%02d", i))
		k, err := s.Find(t.Context(), ref)
		if err != nil || !reflect.DeepEqual(k.Info(), info) {
			t.Errorf("listed %+v, found %v", info, err)
		}
	}
}

// TestListShell: what a killed process left of a key is shown as that.
func TestListShell(t *testing.T) {
	r := newRoom(t, "officiant-root")
	first, err := Open(t.Context(), r.ref(0, ""), r.ask)
	if err != nil {
		t.Fatal(err)
	}
	create(t, first.(*store), r.ref(0, "demo/root"), signer.ECDSAP256)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	hollow(t)
	all, err := r.open(t, 0).List(t.Context())
	if err != nil || len(all) != 1 || all[0].Algorithm != "" || !strings.Contains(all[0].Reason, "half made") {
		t.Errorf("%v, %+v", err, all)
	}
}

// TestListGone: a token that is gone is an error, and no list of bad keys.
func TestListGone(t *testing.T) {
	for _, c := range []struct {
		order string
		want  error
	}{
		{"fail C_FindObjects 0x32", signer.ErrUnavailable},
		{"fail C_GetAttributeValue 0x32", signer.ErrUnavailable},
		{"hang C_GetAttributeValue", signer.ErrUnavailable},
		{"fail C_GetAttributeValue 0x82", nil}, // CKR_OBJECT_HANDLE_INVALID: that one is
	} {
		t.Run(c.order, func(t *testing.T) {
			r := newRoom(t, "officiant-root")
			w := r.wrap(t)
			s := r.open(t, 0)
			create(t, s, r.ref(0, "demo/root"), signer.ECDSAP256)
			if strings.HasPrefix(c.order, "hang") {
				s.limits.call = deadline
			}
			w.order(t, c.order)
			all, err := s.List(t.Context())
			if !errors.Is(err, c.want) {
				t.Fatalf("%v, want %v", err, c.want)
			}
			if c.want == nil && (len(all) != 1 || !strings.Contains(all[0].Reason, "the key is gone")) {
				t.Errorf("%+v", all)
			}
		})
	}
}

// TestNoID: a private key without CKA_ID and public half is not paired with
// just any public key.
func TestNoID(t *testing.T) {
	r := newRoom(t, "officiant-root")
	s := r.open(t, 0)
	foreign(t, s, "demo/other", nil, pkcs11.CKM_EC_KEY_PAIR_GEN, p256)
	destroyObject(t, s, foreign(t, s, "demo/root", nil, pkcs11.CKM_EC_KEY_PAIR_GEN, p256).public)
	if _, err := s.Find(t.Context(), r.ref(0, "demo/root")); err == nil || !strings.Contains(err.Error(), "no public key") {
		t.Errorf("%v", err)
	}
}

// TestNearNames: a label that is misspelt, and an id that is written without its percent
// signs, get the key that is meant.
func TestNearNames(t *testing.T) {
	r := newRoom(t, "officiant-root")
	s := r.open(t, 0)
	foreign(t, s, "demo/root", []byte{0x13}, pkcs11.CKM_EC_KEY_PAIR_GEN, p256)
	uri := func(more string) signer.Ref {
		ref := r.ref(0, "")
		ref.URI = strings.Replace(ref.URI, "?", ";"+more+"?", 1)
		return ref
	}
	for more, want := range map[string]string{
		"object=demo/rot":  `no such key; did you mean "demo/root"?`,
		"object=DEMO/ROOT": `no such key; did you mean "demo/root"?`,
		"id=13":            "no such key; a key has the id 13, which a URI writes id=%13",
		"id=0x13":          "no such key; a key has the id 13, which a URI writes id=%13",
		"object=another":   "no such key",
		"id=14":            "no such key",
		"id=%13":           "",
	} {
		_, err := s.Find(t.Context(), uri(more))
		switch {
		case want == "" && err == nil:
		case want == "" || !errors.Is(err, signer.ErrNotFound) || !strings.HasSuffix(err.Error(), want):
			t.Errorf("%s: %v, want %s", more, err, want)
		}
	}
}

// TestEqualNames: of two pairs of one label and id neither is used, since the
// public keys cannot be told apart.
func TestEqualNames(t *testing.T) {
	r := newRoom(t, "officiant-root")
	s := r.open(t, 0)
	first := foreign(t, s, "demo/root", []byte{1}, pkcs11.CKM_EC_KEY_PAIR_GEN, p256)
	foreign(t, s, "demo/root", []byte{1}, pkcs11.CKM_EC_KEY_PAIR_GEN, p256)
	if _, err := s.Find(t.Context(), r.ref(0, "demo/root")); !errors.Is(err, signer.ErrAmbiguous) {
		t.Errorf("two pairs: %v", err)
	}
	destroyObject(t, s, first.private)
	if _, err := s.Find(t.Context(), r.ref(0, "demo/root")); !errors.Is(err, signer.ErrAmbiguous) {
		t.Errorf("one private key, two public ones: %v", err)
	}
	if all, err := s.List(t.Context()); err != nil || len(all) != 1 || all[0].Algorithm != "" {
		t.Errorf("%v, %+v", err, all)
	}
}
