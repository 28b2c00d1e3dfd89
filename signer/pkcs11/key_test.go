//go:build cgo

package pkcs11

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"maps"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/ThalesIgnite/crypto11"
	"github.com/miekg/pkcs11"

	"officiant/signer"
)

func newID(t testing.TB) (id signer.ID) {
	t.Helper()
	if _, err := rand.Read(id[:]); err != nil {
		t.Fatal(err)
	}
	return id
}

func create(t testing.TB, s *store, ref signer.Ref, a signer.Algorithm) *key {
	t.Helper()
	k, err := s.Create(t.Context(), ref, signer.Spec{Algorithm: a}, newID(t))
	if err != nil {
		t.Fatal(err)
	}
	return k.(*key)
}

// on runs f on a session of the store.
func on(t testing.TB, s *store, f func(h pkcs11.SessionHandle) error) {
	t.Helper()
	if _, err := within(t.Context(), s, time.Minute, func(h pkcs11.SessionHandle) (struct{}, error) { return struct{}{}, f(h) }); err != nil {
		t.Fatal(err)
	}
}

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

func TestGrade(t *testing.T) {
	good := map[string]string{"CKA_KEY_GEN_MECHANISM": "0x1040"}
	for _, e := range evidence {
		if good[e.name] = e.want; e.want == "" {
			good[e.name] = isFalse
		}
	}
	for _, c := range []struct {
		name, attribute, value string
		software               bool
		want                   signer.Grade
	}{
		{name: "hardware", want: signer.Consistent},
		{name: "software", software: true, want: signer.Software},
		{"extractable", "CKA_EXTRACTABLE", "true", false, signer.Unproven},
		{"extractable absent", "CKA_EXTRACTABLE", absent, false, signer.Unproven},
		{"extractable odd", "CKA_EXTRACTABLE", "0x02", false, signer.Unproven},
		{"was extractable", "CKA_NEVER_EXTRACTABLE", "false", false, signer.Unproven},
		{"was extractable absent", "CKA_NEVER_EXTRACTABLE", absent, false, signer.Unproven},
		{"not sensitive", "CKA_SENSITIVE", "false", false, signer.Unproven},
		{"was not sensitive", "CKA_ALWAYS_SENSITIVE", "false", false, signer.Unproven},
		{"imported", "CKA_LOCAL", "false", false, signer.Unproven},
		{"imported, software", "CKA_LOCAL", "false", true, signer.Unproven},
		{"local absent", "CKA_LOCAL", absent, false, signer.Unproven},
		{"public", "CKA_PRIVATE", "false", false, signer.Unproven},
		{"private absent", "CKA_PRIVATE", absent, false, signer.Unproven},
		{"session object", "CKA_TOKEN", "false", false, signer.Unproven},
		{"unwraps", "CKA_UNWRAP", "true", false, signer.Unproven},
		{"derives", "CKA_DERIVE", "true", false, signer.Unproven},
		{"derive absent", "CKA_DERIVE", absent, false, signer.Consistent},
		{"decrypts", "CKA_DECRYPT", "true", false, signer.Consistent},
		{"other generator", "CKA_KEY_GEN_MECHANISM", "0x0", false, signer.Unproven},
		{"generator absent", "CKA_KEY_GEN_MECHANISM", absent, false, signer.Consistent},
	} {
		read := maps.Clone(good)
		if c.attribute != "" {
			read[c.attribute] = c.value
		}
		got, reason := grade(read, signer.ECDSAP256, c.software)
		if got != c.want || reason == "" || got == signer.Unproven && !strings.Contains(reason, c.attribute) {
			t.Errorf("%s: %s (%s), want %s", c.name, got, reason, c.want)
		}
	}
	if got, _ := grade(map[string]string{}, signer.RSA2048, false); got != signer.Unproven {
		t.Errorf("nothing read: %s", got)
	}
}

func TestHardware(t *testing.T) {
	r := newRoom(t, "officiant-root")
	w := r.wrap(t)
	w.order(t, "hardware")
	s := r.open(t, 0)
	if info := create(t, s, r.ref(0, "demo/root"), signer.ECDSAP384).Info(); info.Grade != signer.Consistent || info.Device.Software || info.Reason == "" {
		t.Errorf("%+v", info)
	}
}

// TestImported: a key that was outside is found, and graded as what it is.
func TestImported(t *testing.T) {
	r := newRoom(t, "officiant-root")
	s := r.open(t, 0)
	soft, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	d, err := soft.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	point, err := soft.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	id := newID(t)
	on(t, s, func(h pkcs11.SessionHandle) error {
		public, private, _, err := templates(signer.ECDSAP256, "demo/root", id[:], hardening)
		if err != nil {
			return err
		}
		for _, more := range []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_PUBLIC_KEY),
			pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, pkcs11.CKK_EC),
			pkcs11.NewAttribute(pkcs11.CKA_EC_POINT, append([]byte{4, 65}, point...))} {
			public = append(public, more)
		}
		if _, err := s.lib.ctx.CreateObject(h, public); err != nil {
			return err
		}
		private = append(private, pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_PRIVATE_KEY),
			pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, pkcs11.CKK_EC),
			pkcs11.NewAttribute(pkcs11.CKA_EC_PARAMS, curves[signer.ECDSAP256].oid), pkcs11.NewAttribute(pkcs11.CKA_VALUE, d))
		_, err = s.lib.ctx.CreateObject(h, private)
		return err
	})
	k, err := s.Find(t.Context(), r.ref(0, "demo/root"))
	if err != nil {
		t.Fatal(err)
	}
	if info := k.Info(); info.Grade != signer.Unproven || !strings.Contains(info.Reason, "CKA_LOCAL is false") {
		t.Errorf("grade %q (%s)", info.Grade, info.Reason)
	}
	if !soft.PublicKey.Equal(k.Public()) {
		t.Error("another public key")
	}
}

// TestTwinKeys: two keys of one label can only come from elsewhere.
func TestTwinKeys(t *testing.T) {
	r := newRoom(t, "officiant-root")
	s := r.open(t, 0)
	first, second := newID(t), newID(t)
	on(t, s, func(h pkcs11.SessionHandle) error {
		if _, err := s.generate(h, signer.ECDSAP256, "demo/root", first[:]); err != nil {
			return err
		}
		_, err := s.generateWith(h, signer.ECDSAP256, "demo/root", second[:], hardening)
		return err
	})
	if _, err := s.Find(t.Context(), r.ref(0, "demo/root")); !errors.Is(err, signer.ErrAmbiguous) {
		t.Errorf("find: %v, want %v", err, signer.ErrAmbiguous)
	}
	if _, err := s.Create(t.Context(), r.ref(0, "demo/root"), signer.Spec{Algorithm: signer.ECDSAP256}, newID(t)); !errors.Is(err, signer.ErrExists) {
		t.Errorf("create: %v, want %v", err, signer.ErrExists)
	}
	byID, err := s.FindID(t.Context(), r.ref(0, "demo/root"), second)
	if err != nil {
		t.Fatal(err)
	}
	ref := r.ref(0, "demo/root")
	ref.URI = strings.Replace(ref.URI, "?", ";object=demo%2Froot;id="+escape(second[:])+";type=private?", 1)
	narrowed, err := s.Find(t.Context(), ref)
	if err != nil || !byID.Public().(*ecdsa.PublicKey).Equal(narrowed.Public()) {
		t.Errorf("by label and id: %v", err)
	}
}

func escape(id []byte) string {
	var b strings.Builder
	for _, c := range id {
		b.WriteString("%" + strings.ToUpper(string("0123456789abcdef"[c>>4])+string("0123456789abcdef"[c&15])))
	}
	return b.String()
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

// TestHalves: what a crash or another program leaves of a pair.
func TestHalves(t *testing.T) {
	r := newRoom(t, "officiant-root")
	s := r.open(t, 0)
	destroy := func(class uint, label string) {
		on(t, s, func(h pkcs11.SessionHandle) error {
			found, err := s.objects(h, class, label, nil)
			if err != nil || len(found) != 1 {
				t.Fatalf("%v, %d objects", err, len(found))
			}
			return s.lib.ctx.DestroyObject(h, found[0])
		})
	}
	rsa := create(t, s, r.ref(0, "demo/rsa"), signer.RSA2048)
	destroy(pkcs11.CKO_PUBLIC_KEY, "demo/rsa")
	found, err := s.Find(t.Context(), r.ref(0, "demo/rsa"))
	if err != nil || !rsa.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(found.Public()) {
		t.Errorf("RSA without its public object: %v", err)
	}
	create(t, s, r.ref(0, "demo/ec"), signer.ECDSAP256)
	destroy(pkcs11.CKO_PUBLIC_KEY, "demo/ec")
	if _, err := s.Find(t.Context(), r.ref(0, "demo/ec")); err == nil || !strings.Contains(err.Error(), "cannot be derived") {
		t.Errorf("EC without its public object: %v", err)
	}
	create(t, s, r.ref(0, "demo/orphan"), signer.ECDSAP256)
	destroy(pkcs11.CKO_PRIVATE_KEY, "demo/orphan")
	if _, err := s.Find(t.Context(), r.ref(0, "demo/orphan")); !errors.Is(err, signer.ErrNotFound) {
		t.Errorf("public half alone: %v", err)
	}
	create(t, s, r.ref(0, "demo/orphan"), signer.ECDSAP256)
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
		{[]string{copyable}, isFalse, isFalse, isTrue, 2},
		{[]string{decrypt}, isTrue, isFalse, isFalse, 3},
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

// TestCrypto11 has an outside judge use the keys made here.
func TestCrypto11(t *testing.T) {
	r := newRoom(t, "officiant-root")
	s := r.open(t, 0)
	algorithms := []signer.Algorithm{signer.ECDSAP256, signer.ECDSAP384, signer.RSA2048}
	keys := map[signer.Algorithm]*key{}
	for _, a := range algorithms {
		keys[a] = create(t, s, r.ref(0, "demo/"+string(a)), a)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	judge, err := crypto11.Configure(&crypto11.Config{Path: r.module, TokenSerial: r.made[0].Serial, Pin: r.pin, MaxSessions: 4})
	if err != nil {
		t.Fatal(err)
	}
	defer judge.Close()
	for _, a := range algorithms {
		k := keys[a]
		theirs, err := judge.FindKeyPair(k.info.ID, []byte(k.info.Label))
		if err != nil || theirs == nil {
			t.Errorf("%s: %v, %v", a, theirs, err)
			continue
		}
		nonce := make([]byte, signer.NonceSize)
		digest, hash := statement(t, k.public, nonce)
		sig, err := theirs.Sign(rand.Reader, digest, hash)
		if err == nil {
			err = signer.VerifyChallenge(k.public, nonce, sig)
		}
		if err != nil {
			t.Errorf("%s: %v", a, err)
		}
	}
}

// statement is the digest of a challenge, made without package signer's Challenge.
func statement(t *testing.T, pub crypto.PublicKey, nonce []byte) ([]byte, crypto.Hash) {
	t.Helper()
	spki, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	hash := signer.HashFor(pub)
	h := hash.New()
	h.Write([]byte("officiant challenge v1\n"))
	h.Write(nonce)
	h.Write(spki)
	return h.Sum(nil), hash
}

// TestPKCS11Tool has OpenSC say what it sees of a key made here; the command is
// the one docs/signers/softhsm.md shows.
func TestPKCS11Tool(t *testing.T) {
	if _, err := exec.LookPath("pkcs11-tool"); err != nil {
		t.Skipf("needs OpenSC: %v", err)
	}
	r := newRoom(t, "officiant-root")
	s := r.open(t, 0)
	create(t, s, r.ref(0, "demo/root"), signer.ECDSAP384)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TOKEN_PIN", r.pin)
	out, err := exec.Command("pkcs11-tool", "--module", r.module, "--token-label", "officiant-root",
		"--login", "--pin", "env:TOKEN_PIN", "--list-objects").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	_, private, _ := strings.Cut(string(out), "Private Key Object; EC")
	for _, want := range []string{"label:      demo/root", "Usage:      sign\n", "Access:     sensitive, always sensitive, never extractable, local"} {
		if !strings.Contains(private, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}
