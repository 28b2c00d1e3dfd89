//go:build tokens && cgo

package pkcs11

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"officiant/bundle/fingerprint"
	"officiant/signer"
	"officiant/signer/pkcs11/pivcard"
	"officiant/signer/pkcs11/pkcs11test"
	"officiant/signer/signertest"
)

const managementKey = "010203040506070801020304050607080102030405060708"

// desk is a YubiKey, and who sits before it and is asked for what.
type desk struct {
	*pkcs11test.YubiKey
	pin, key       string
	asked, officer int
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	y := pkcs11test.PIV(t, 12345678)
	return &desk{YubiKey: y, pin: y.PIN, key: managementKey}
}

func (d *desk) ask(_ context.Context, device signer.Device) ([]byte, error) {
	if device.Officer {
		d.officer++
		return bytes.Clone([]byte(d.key)), nil
	}
	d.asked++
	return bytes.Clone([]byte(d.pin)), nil
}

func (d *desk) ref(slot byte) signer.Ref { return signer.Ref{URI: d.URI(slot), Label: "demo/root"} }

func (d *desk) open(t *testing.T) signer.Store {
	t.Helper()
	s, err := Options{Roots: []*x509.Certificate{d.Root()}}.Open(t.Context(), d.ref(1), d.ask)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

var ofP256 = signer.Spec{Algorithm: signer.ECDSAP256}

func (d *desk) create(t *testing.T, s signer.Store, slot byte, id signer.ID) signer.Key {
	t.Helper()
	k, err := s.Create(t.Context(), d.ref(slot), ofP256, id)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// again closes a store and opens another, as the next process would.
func (d *desk) again(t *testing.T, s signer.Store) signer.Store {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return d.open(t)
}

func answers(t *testing.T, k signer.Key) {
	t.Helper()
	if _, err := signer.Challenge(t.Context(), k, k.Public(), make([]byte, signer.NonceSize)); err != nil {
		t.Error(err)
	}
}

func TestYKCS11Conformance(t *testing.T) {
	d := newDesk(t)
	serial := d.Serial
	signertest.Run(t, func(t *testing.T) (signer.Store, func(string) signer.Ref) {
		d.Pull()
		serial++
		card, err := pivcard.New(serial)
		if err != nil {
			t.Fatal(err)
		}
		d.Reinsert(t, card)
		slots := map[string]byte{}
		ref := func(label string) signer.Ref {
			if slots[label] == 0 {
				slots[label] = byte(5 + len(slots)) // retired ones
			}
			return signer.Ref{URI: d.URI(slots[label]), Label: label}
		}
		s, err := Open(t.Context(), ref("demo/root"), d.ask)
		if err != nil {
			t.Fatal(err)
		}
		return s, ref
	}, signer.ECDSAP256, signer.ECDSAP384, signer.RSA2048)
}

// TestYKCS11Create: the management key makes a key in an empty slot, asked for once, and the
// key is attested, has the id on record, and signs with the PIN that its slot wants.
func TestYKCS11Create(t *testing.T) {
	d := newDesk(t)
	for slot, each := range map[byte]int{1: 0, 2: 1, 24: 0} {
		t.Run(fmt.Sprint(slot), func(t *testing.T) {
			d.asked, d.officer = 0, 0
			s, id := d.open(t), newID(t)
			defer s.Close()
			if _, ok := s.(signer.Prober); ok {
				t.Error("a canary would take a slot")
			}
			k := d.create(t, s, slot, id)
			i := k.Info()
			if i.Grade != signer.Attested || i.Label != "demo/root" || !bytes.Equal(i.ID, id[:]) ||
				i.Attributes["CKA_ID"] != fmt.Sprintf("0x%02X", slot) ||
				i.Attributes["attestation.touch-policy"] != "never" ||
				i.Attributes["attestation.pin-policy"] != map[int]string{0: "once", 1: "always"}[each] {
				t.Errorf("%s, %s: %q, id %x, %v", i.Grade, i.Reason, i.Label, i.ID, i.Attributes)
			}
			answers(t, k)
			answers(t, k)
			if d.asked != 1+2*each || d.officer != 1 {
				t.Errorf("asked for the PIN %d times, for the management key %d times", d.asked, d.officer)
			}
			s = d.again(t, s)
			found, err := s.(signer.IDFinder).FindID(t.Context(), d.ref(slot), id)
			if err != nil {
				t.Fatal(err)
			}
			if !found.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(k.Public()) || d.officer != 1 {
				t.Error("another key, or the management key was asked for again")
			}
			answers(t, found)
			_, err = s.(signer.IDFinder).FindID(t.Context(), d.ref(slot), newID(t))
			if !errors.Is(err, signer.ErrExists) {
				t.Errorf("by another id: %v", err)
			}
		})
	}
}

// TestYKCS11Occupied: whatever is in a slot is named, and neither overwritten nor taken, and
// nobody is asked for the management key.
func TestYKCS11Occupied(t *testing.T) {
	d := newDesk(t)
	imported, err := d.Import(0x82)
	if err != nil {
		t.Fatal(err)
	}
	made, err := d.Make(0x83)
	if err != nil {
		t.Fatal(err)
	}
	s := d.open(t)
	theirs := d.create(t, s, 7, newID(t))
	s = d.again(t, s)
	d.officer = 0
	for what, c := range map[string]struct {
		slot byte
		key  crypto.PublicKey
		says string
	}{
		"imported":        {5, imported, "imported"},
		"another program": {6, made, "no mark of Officiant's"},
		"of another id":   {7, theirs.Public(), `made as "demo/root" for another id`},
	} {
		sum, err := fingerprint.SPKI(c.key)
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Create(t.Context(), d.ref(c.slot), ofP256, newID(t))
		if !errors.Is(err, signer.ErrExists) || !strings.Contains(err.Error(), c.says) ||
			what != "imported" && !strings.Contains(err.Error(), sum.String()) {
			t.Errorf("%s: create: %v", what, err)
		}
		_, err = s.(signer.IDFinder).FindID(t.Context(), d.ref(c.slot), newID(t))
		if !errors.Is(err, signer.ErrExists) {
			t.Errorf("%s: find: %v", what, err)
		}
		if err := (Options{}).Vacant(t.Context(), d.ref(c.slot)); (what == "of another id") != (err == nil) {
			t.Errorf("%s: vacant: %v", what, err)
		}
		if now := d.Public(0x82 + c.slot - 5); !now.(interface{ Equal(crypto.PublicKey) bool }).Equal(c.key) {
			t.Errorf("%s: the key was overwritten", what)
		}
	}
	if d.officer != 0 {
		t.Error("the management key was asked for")
	}
	if err := (Options{}).Vacant(t.Context(), d.ref(8)); err != nil {
		t.Errorf("an empty slot: %v", err)
	}
	for _, slot := range []byte{0, 3, 4, 25} {
		var malformed *signer.URIError
		if _, err := s.Create(t.Context(), d.ref(slot), ofP256, newID(t)); !errors.As(err, &malformed) {
			t.Errorf("slot %d: %v", slot, err)
		}
	}
}

// TestYKCS11Killed: a run that is cut off while a key is made finds it again, as far as
// anybody can tell that it is its own.
func TestYKCS11Killed(t *testing.T) {
	d := newDesk(t)
	cut := func(t *testing.T, slot byte, instruction byte, times int) signer.ID {
		t.Helper()
		s, id := d.open(t), newID(t)
		card, n := d.Card, 0
		var pull func()
		pull = func() {
			if n++; n == times {
				card.Pull()
			} else {
				card.After(instruction, pull)
			}
		}
		card.After(instruction, pull)
		if _, err := s.Create(t.Context(), d.ref(slot), ofP256, id); !errors.Is(err, signer.ErrUnavailable) &&
			(instruction != pivcard.Authenticate || !errors.Is(err, signer.ErrOfficer)) { // pulled while it logs in
			t.Errorf("cut off: %v", err)
		}
		if _, err := s.Find(t.Context(), d.ref(slot)); !errors.Is(err, signer.ErrUnavailable) {
			t.Errorf("afterwards: %v", err)
		}
		s.Close()
		d.Reinsert(t, card)
		return id
	}
	for what, c := range map[string]struct {
		slot, instruction byte
		times             int
		found             error
	}{
		"before the key":       {5, pivcard.PutData, 1, signer.ErrNotFound},
		"after it was made":    {6, pivcard.Generate, 1, nil},
		"before its last mark": {7, pivcard.PutData, 2, signer.ErrExists},
		"after it was marked":  {8, pivcard.PutData, 3, nil},
		"after the login":      {9, pivcard.Authenticate, 1, signer.ErrNotFound},
	} {
		t.Run(what, func(t *testing.T) {
			id := cut(t, c.slot, c.instruction, c.times)
			s := d.open(t)
			defer s.Close()
			k, err := s.(signer.IDFinder).FindID(t.Context(), d.ref(c.slot), id)
			if !errors.Is(err, c.found) {
				t.Fatalf("found: %v", err)
			}
			switch {
			case err == nil:
				if i := k.Info(); i.Grade != signer.Attested || !bytes.Equal(i.ID, id[:]) {
					t.Errorf("%s, %x", i.Grade, i.ID)
				}
				answers(t, k)
			case c.found == signer.ErrNotFound:
				answers(t, d.create(t, s, c.slot, id))
			case !strings.Contains(err.Error(), "cut off while the device made the key"):
				t.Error(err)
			}
		})
	}
}

// TestYKCS11ManagementKey: a wrong management key is tried once and named, and costs no try
// of the PIN; what is none is not tried.
func TestYKCS11ManagementKey(t *testing.T) {
	d := newDesk(t)
	for what, c := range map[string]struct {
		key   string
		tried int
		says  string
	}{
		"wrong":       {strings.Repeat("ab", 24), 2, "nothing is locked"},
		"a PIN":       {"654321", 0, "has 6 characters"},
		"not digits":  {strings.Repeat("xy", 24), 0, "other characters"},
		"of AES":      {strings.Repeat("ab", 32), 0, "AES key"},
		"in a record": {"", 0, "has 0 characters"},
	} {
		t.Run(what, func(t *testing.T) {
			s := d.open(t)
			d.key = c.key
			before := d.Seen(pivcard.Authenticate)
			_, err := s.Create(t.Context(), d.ref(2), ofP256, newID(t))
			if !errors.Is(err, signer.ErrOfficer) || !strings.Contains(err.Error(), c.says) ||
				c.key != "" && strings.Contains(err.Error(), c.key) {
				t.Errorf("%v", err)
			}
			if tried := d.Seen(pivcard.Authenticate) - before; tried != c.tried {
				t.Errorf("%d commands with it, want %d", tried, c.tried)
			}
			if d.Tries() != 3 || d.Public(0x9c) != nil || d.Seen(pivcard.Generate) != 0 {
				t.Error("a PIN was tried, or a key was made")
			}
			if what == "wrong" {
				if _, err := s.Create(t.Context(), d.ref(2), ofP256, newID(t)); !errors.Is(err, signer.ErrUnavailable) {
					t.Errorf("a second try: %v", err)
				}
			}
			s.Close()
		})
	}
	d.ManagementAlgorithm, d.ManagementKey = pivcard.AES192, bytes.Repeat([]byte{1}, 24)
	d.key = strings.Repeat("01", 24)
	s := d.open(t)
	if _, err := s.Create(t.Context(), d.ref(2), ofP256, newID(t)); !errors.Is(err, signer.ErrOfficer) ||
		!strings.Contains(err.Error(), "AES") {
		t.Errorf("an AES key, by a module that knows none: %v", err)
	}
}

// TestYKCS11KeyFile: the management key may come from a file, with a PIN file's rules.
func TestYKCS11KeyFile(t *testing.T) {
	d := newDesk(t)
	file := filepath.Join(t.TempDir(), "management-key")
	if err := os.WriteFile(file, []byte(managementKey+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	ref := d.ref(2)
	ref.URI += "&so-pin-source=file:" + file
	s := d.open(t)
	if _, err := s.Create(t.Context(), ref, ofP256, newID(t)); !errors.Is(err, signer.ErrUnavailable) ||
		!strings.Contains(err.Error(), "so-pin-source") || !strings.Contains(err.Error(), "0600") {
		t.Errorf("that others read: %v", err)
	}
	if err := os.Chmod(file, 0o600); err != nil {
		t.Fatal(err)
	}
	k, err := s.Create(t.Context(), ref, ofP256, newID(t))
	if err != nil {
		t.Fatal(err)
	}
	answers(t, k)
	if d.officer != 0 {
		t.Error("it was asked for")
	}
}

// TestYKCS11PIN: the card's tries are seen before one is spent, and a locked PIN is not tried.
func TestYKCS11PIN(t *testing.T) {
	d := newDesk(t)
	open := func(pin string) error {
		d.pin = pin
		s, err := Options{}.Open(t.Context(), d.ref(1), d.ask)
		if err == nil {
			s.Close()
		}
		return err
	}
	for i, want := range []error{signer.ErrPIN, signer.ErrPIN, signer.ErrFinalTry, signer.ErrFinalTry} {
		asked := d.asked
		if err := open("654321"); !errors.Is(err, want) {
			t.Fatalf("%d: %v", i, err)
		}
		if want == signer.ErrFinalTry && d.asked != asked {
			t.Error("asked before the last try")
		}
	}
	s, err := Options{FinalTry: "12345678"}.Open(t.Context(), d.ref(1), d.ask)
	if !errors.Is(err, signer.ErrPIN) {
		t.Fatalf("the last try: %v, %v", s, err)
	}
	if err := open("123456"); !errors.Is(err, signer.ErrUnavailable) || !strings.Contains(err.Error(), "locked") ||
		d.Tries() != 0 {
		t.Errorf("locked: %v", err)
	}
}

// TestYKCS11Refused: the rest of what Create refuses.
func TestYKCS11Refused(t *testing.T) {
	d := newDesk(t)
	d.Keep(0x82, []byte("no certificate"))
	s := d.open(t)
	id := newID(t)
	d.create(t, s, 6, id)
	s.Close()
	if _, err := d.Make(0x83); err != nil { // another program overwrites the key of slot 6
		t.Fatal(err)
	}
	s = d.open(t)
	other := d.open(t)
	create := func(slot byte, id signer.ID) error {
		_, err := s.Create(t.Context(), d.ref(slot), ofP256, id)
		return err
	}
	for what, c := range map[string]struct {
		err  error
		is   error
		says string
	}{
		"no id":       {create(9, signer.ID{}), nil, "zeros"},
		"an object":   {create(5, newID(t)), signer.ErrExists, "an object that a new key would overwrite"},
		"overwritten": {create(6, id), signer.ErrExists, "beside it is another key's"},
		"in use":      {create(9, newID(t)), signer.ErrUnavailable, "under another URI as well"},
	} {
		if c.err == nil || c.is != nil && !errors.Is(c.err, c.is) || !strings.Contains(c.err.Error(), c.says) {
			t.Errorf("%s: %v", what, c.err)
		}
	}
	s.Close()
	other.Close()

	for what, c := range map[string]struct {
		ask  signer.PINFunc
		says string
	}{
		"nobody": {nil, "there is nobody to ask"},
		"nothing": {func(context.Context, signer.Device) ([]byte, error) { return nil, errors.New("went away") },
			"its management key: went away"},
	} {
		file := filepath.Join(t.TempDir(), "pin")
		if err := os.WriteFile(file, []byte(d.pin), 0o600); err != nil {
			t.Fatal(err)
		}
		ref := d.ref(9)
		ref.URI += "&pin-source=" + file
		s, err := Open(t.Context(), ref, c.ask)
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Create(t.Context(), ref, ofP256, newID(t))
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", what, err)
		}
		s.Close()
	}
}

// TestYKCS11NotAttested: a key that the device does not attest is unproven, and one whose
// public half cannot be read is named.
func TestYKCS11NotAttested(t *testing.T) {
	d := newDesk(t)
	s := d.open(t)
	d.Refuse(pivcard.Attest, slices.Repeat([]uint16{0x6d00}, 200)...)
	k, err := s.Create(t.Context(), d.ref(5), signer.Spec{Algorithm: signer.RSA2048}, newID(t))
	if err != nil {
		t.Fatal(err)
	}
	if i := k.Info(); i.Grade != signer.Unproven || !strings.Contains(i.Reason, "slot f9") {
		t.Errorf("%s, %s", i.Grade, i.Reason)
	}
	if _, err := s.Create(t.Context(), d.ref(6), ofP256, newID(t)); err == nil ||
		!strings.Contains(err.Error(), "made, but cannot be used, and stays in its slot") {
		t.Errorf("%v", err)
	}
	s.Close()
}
