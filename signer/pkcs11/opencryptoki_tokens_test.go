//go:build tokens && cgo

package pkcs11

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"math/big"
	"os"
	"strings"
	"testing"

	"github.com/miekg/pkcs11"

	"officiant/signer"
	"officiant/signer/pkcs11/module"
	"officiant/signer/pkcs11/pkcs11test"
)

func TestOpencryptokiEvidence(t *testing.T) {
	token := pkcs11test.Opencryptoki(t)
	s := enter(t, token)
	info := create(t, s, named(token, "demo/root"), signer.RSA2048).Info()
	if d := info.Device; d.Serial != "123" || d.Model != "IBM SoftTok" || !d.Software {
		t.Errorf("%+v", d)
	}
	if info.Grade != signer.Software {
		t.Errorf("grade %q: %s", info.Grade, info.Reason)
	}
	for name, want := range map[string]string{
		"CKA_PRIVATE": isTrue, "CKA_LOCAL": isTrue, "CKA_ALWAYS_SENSITIVE": isTrue, "CKA_NEVER_EXTRACTABLE": isTrue,
		"CKA_DECRYPT": isFalse, "CKA_COPYABLE": absent, "CKA_KEY_GEN_MECHANISM": absent,
	} {
		if got := info.Attributes[name]; got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
}

// TestOpencryptokiFiles: the module closes files of others when it is finalized a
// second time, so it is not finalized.
func TestOpencryptokiFiles(t *testing.T) {
	token := pkcs11test.Opencryptoki(t)
	var files []*os.File
	for range 3 {
		if err := opened(t, token).Close(); err != nil {
			t.Fatal(err)
		}
		if err := Supports(named(token, ""), signer.Spec{Algorithm: signer.RSA2048}); err != nil {
			t.Fatal(err)
		}
		for range 16 { // they take the numbers of what was closed
			f, err := os.CreateTemp(t.TempDir(), "")
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			files = append(files, f)
		}
	}
	for _, f := range files {
		open, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		if named, err := os.Stat(f.Name()); err != nil || !os.SameFile(open, named) {
			t.Errorf("file %d is another one now: %v", f.Fd(), err)
		}
	}
}

// TestOpencryptokiMechanisms: there is no EC, and no CKM_SHA256_RSA_PKCS either,
// which is why signatures go through CKM_RSA_PKCS.
func TestOpencryptokiMechanisms(t *testing.T) {
	token := pkcs11test.Opencryptoki(t)
	refusesKey(t, enter(t, token), token, signer.ECDSAP256, signer.ECDSAP384, signer.ECDSAP521)

	s := enter(t, token)
	k := create(t, s, named(token, "demo/root"), signer.RSA2048)
	_, err := within(t.Context(), s, s.limits.call, func(h pkcs11.SessionHandle) (struct{}, error) {
		_, err := s.signOne(h, module.Operation{Key: k.handle, Mechanism: pkcs11.CKM_SHA256_RSA_PKCS, Data: []byte("x")})
		return struct{}{}, err
	})
	switch {
	case err == nil:
		t.Skip("this opencryptoki has CKM_SHA256_RSA_PKCS")
	case !isCode(err, pkcs11.CKR_MECHANISM_INVALID):
		t.Errorf("CKM_SHA256_RSA_PKCS: %v", err)
	}
	if err := sign(t.Context(), k); err != nil {
		t.Error(err)
	}
}

// TestOpencryptokiPrivate: a key without CKA_PRIVATE serves whoever opens a
// session. Ours are not seen without a login, and such a key is Unproven.
func TestOpencryptokiPrivate(t *testing.T) {
	token := pkcs11test.Opencryptoki(t)
	s, err := Open(t.Context(), named(token, ""), entry(token))
	if err != nil {
		t.Fatal(err)
	}
	create(t, s.(*store), named(token, "demo/ours"), signer.RSA2048)
	on(t, s.(*store), func(h pkcs11.SessionHandle) error {
		public, private, mechanism, err := templates(signer.RSA2048, "demo/theirs", []byte{7}, nil)
		if err != nil {
			return err
		}
		for i, a := range private {
			if a.Type == pkcs11.CKA_PRIVATE {
				private[i] = pkcs11.NewAttribute(pkcs11.CKA_PRIVATE, false)
			}
		}
		_, _, err = s.(*store).lib.ctx.GenerateKeyPair(h, []*pkcs11.Mechanism{pkcs11.NewMechanism(mechanism, nil)}, public, private)
		return err
	})
	theirs, err := s.Find(t.Context(), named(token, "demo/theirs"))
	if err != nil {
		t.Fatal(err)
	}
	if i := theirs.Info(); i.Grade != signer.Unproven || !strings.Contains(i.Reason, "CKA_PRIVATE is false") {
		t.Errorf("grade %s: %s", i.Grade, i.Reason)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	signs := withoutLogin(t, token)
	if !signs["demo/theirs"] {
		t.Error("a key that is not private wants a login: the trap is gone")
	}
	if signs["demo/ours"] {
		t.Error("our key signs without a login")
	}
}

// withoutLogin tries to sign with every private key a session without login sees.
func withoutLogin(t *testing.T, token pkcs11test.Token) map[string]bool {
	t.Helper()
	lib, err := Options{}.acquire(token.Module)
	if err != nil {
		t.Fatal(err)
	}
	defer lib.release()
	found, err := lib.find(address{token: token.Label})
	if err != nil {
		t.Fatal(err)
	}
	s := &store{lib: lib, token: found, objects: objects{ctx: lib.ctx}}
	h, err := s.openSession()
	if err != nil {
		t.Fatal(err)
	}
	defer lib.ctx.CloseSession(h)
	keys, err := s.objects.named(h, pkcs11.CKO_PRIVATE_KEY, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	signs := map[string]bool{}
	for _, k := range keys {
		label, err := s.objects.attribute(h, k, pkcs11.CKA_LABEL)
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.signOne(h, module.Operation{Key: k, Mechanism: pkcs11.CKM_RSA_PKCS, Data: make([]byte, 32)})
		signs[string(label)] = err == nil
	}
	return signs
}

// TestOpencryptokiLocks goes from the first wrong PIN to a locked token, which
// Officiant itself never does: it refuses the last try.
func TestOpencryptokiLocks(t *testing.T) {
	token := pkcs11test.Opencryptoki(t)
	asked := 0
	var seen signer.Device
	open := func(pin string) error {
		s, err := Open(t.Context(), named(token, ""), func(_ context.Context, d signer.Device) ([]byte, error) {
			asked++
			seen = d
			return []byte(pin), nil
		})
		if err == nil {
			err = s.Close()
		}
		return err
	}
	if err := open("00001"); !errors.Is(err, signer.ErrPIN) ||
		!strings.Contains(err.Error(), "reports at least one wrong PIN") {
		t.Fatalf("first: %v", err)
	}
	if err := open(token.PIN); err != nil || !seen.PINCountLow {
		t.Fatalf("the right one: %v; %+v", err, seen)
	}
	if err := open("00002"); !errors.Is(err, signer.ErrPIN) || seen.PINCountLow {
		t.Fatalf("the right one does not set the count back: %v; %+v", err, seen)
	}
	if err := open("00003"); !errors.Is(err, signer.ErrPIN) || !strings.Contains(err.Error(), "ONE TRY IS LEFT") || !seen.PINCountLow {
		t.Fatalf("second in a row: %v; %+v", err, seen)
	}

	before := asked
	for range 3 {
		err := open("00004")
		if !errors.Is(err, signer.ErrFinalTry) || !strings.Contains(err.Error(), "one more wrong PIN locks it; no PIN was tried") || !strings.Contains(err.Error(), `"`+token.Label+`" (serial 123)`) {
			t.Fatalf("last try: %v", err)
		}
	}
	if asked != before {
		t.Errorf("asked %d times for the last try", asked-before)
	}

	// Forced, for this token alone.
	asked = 0
	wrong := func(context.Context, signer.Device) ([]byte, error) { asked++; return []byte("00005"), nil }
	if _, err := (Options{FinalTry: "124"}).Open(t.Context(), named(token, ""), wrong); !errors.Is(err, signer.ErrFinalTry) || asked != 0 {
		t.Errorf("forced for another token: %v, asked %d times", err, asked)
	}
	_, err := Options{FinalTry: "123"}.Open(t.Context(), named(token, ""), wrong)
	if !errors.Is(err, signer.ErrPIN) || !strings.Contains(err.Error(), "the token is locked now") || asked != 1 {
		t.Errorf("forced: %v, asked %d times", err, asked)
	}

	_, err = Options{FinalTry: "123"}.Open(t.Context(), named(token, ""), wrong)
	if !errors.Is(err, signer.ErrUnavailable) || !strings.Contains(err.Error(), "its PIN is locked") || !strings.Contains(err.Error(), "security officer") || asked != 1 {
		t.Errorf("locked: %v; asked %d times", err, asked)
	}
}

// TestOpencryptokiImported: the token says of a key that was outside that it
// never was extractable. CKA_LOCAL tells.
func TestOpencryptokiImported(t *testing.T) {
	token := pkcs11test.Opencryptoki(t)
	s := enter(t, token)
	soft, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	on(t, s, func(h pkcs11.SessionHandle) error { return importRSA(s, h, soft, "demo/root") })
	k, err := s.Find(t.Context(), named(token, "demo/root"))
	if err != nil {
		t.Fatal(err)
	}
	if a := k.Info().Attributes; a["CKA_ALWAYS_SENSITIVE"] != isTrue || a["CKA_NEVER_EXTRACTABLE"] != isTrue {
		t.Errorf("the token lies no more: %v", a)
	}
	if i := k.Info(); i.Grade != signer.Unproven || !strings.Contains(i.Reason, "CKA_LOCAL is false") {
		t.Errorf("grade %s: %s", i.Grade, i.Reason)
	}
}

// importRSA puts a key that lived outside, and its public half, into a token.
func importRSA(s *store, h pkcs11.SessionHandle, key *rsa.PrivateKey, label string) error {
	key.Precompute()
	number := func(code uint, n *big.Int) *pkcs11.Attribute { return pkcs11.NewAttribute(code, n.Bytes()) }
	both := []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, pkcs11.CKK_RSA), pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true),
		pkcs11.NewAttribute(pkcs11.CKA_LABEL, label), pkcs11.NewAttribute(pkcs11.CKA_ID, []byte(label)),
		number(pkcs11.CKA_MODULUS, key.N), number(pkcs11.CKA_PUBLIC_EXPONENT, big.NewInt(int64(key.E))),
	}
	private := append([]*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_PRIVATE_KEY), pkcs11.NewAttribute(pkcs11.CKA_PRIVATE, true),
		pkcs11.NewAttribute(pkcs11.CKA_SENSITIVE, true), pkcs11.NewAttribute(pkcs11.CKA_EXTRACTABLE, false),
		pkcs11.NewAttribute(pkcs11.CKA_SIGN, true),
		number(pkcs11.CKA_PRIVATE_EXPONENT, key.D), number(pkcs11.CKA_PRIME_1, key.Primes[0]), number(pkcs11.CKA_PRIME_2, key.Primes[1]),
		number(pkcs11.CKA_EXPONENT_1, key.Precomputed.Dp), number(pkcs11.CKA_EXPONENT_2, key.Precomputed.Dq), number(pkcs11.CKA_COEFFICIENT, key.Precomputed.Qinv),
	}, both...)
	public := append([]*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_PUBLIC_KEY), pkcs11.NewAttribute(pkcs11.CKA_VERIFY, true),
	}, both...)
	_, err := s.lib.ctx.CreateObject(h, private)
	if err == nil {
		_, err = s.lib.ctx.CreateObject(h, public)
	}
	return err
}

// refusesKey: the token cannot do these; it says so, leaves nothing behind, and
// goes on with others.
func refusesKey(t *testing.T, s *store, token pkcs11test.Token, algorithms ...signer.Algorithm) {
	t.Helper()
	for _, a := range algorithms {
		ref, id := named(token, "demo/"+string(a)), newID(t)
		_, err := s.Create(t.Context(), ref, signer.Spec{Algorithm: a}, id)
		if !errors.Is(err, signer.ErrUnsupported) || !strings.Contains(err.Error(), string(a)) || !strings.Contains(err.Error(), token.Label) {
			t.Errorf("%s: %v", a, err)
		}
		on(t, s, func(h pkcs11.SessionHandle) error {
			for _, class := range []uint{pkcs11.CKO_PRIVATE_KEY, pkcs11.CKO_PUBLIC_KEY} {
				if found, err := s.objects.named(h, class, ref.Label, nil); err != nil || len(found) > 0 {
					t.Errorf("%s left behind %d objects of class %d, %v", a, len(found), class, err)
				}
			}
			return nil
		})
	}
}
