//go:build cgo

package pkcs11

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"maps"
	"math/big"
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
		if _, err := s.maker.generate(h, signer.ECDSAP256, "demo/root", first[:]); err != nil {
			return err
		}
		_, err := s.maker.generateWith(h, signer.ECDSAP256, "demo/root", second[:], hardening)
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

// TestHalves: what a crash or another program leaves of a pair.
func TestHalves(t *testing.T) {
	r := newRoom(t, "officiant-root")
	s := r.open(t, 0)
	destroy := func(class uint, label string) {
		on(t, s, func(h pkcs11.SessionHandle) error {
			found, err := s.objects.named(h, class, label, nil)
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
	if _, err := s.Find(t.Context(), r.ref(0, "demo/ec")); err == nil ||
		!strings.Contains(err.Error(), "the object has no CKA_EC_POINT") {
		t.Errorf("EC without its public object: %v", err)
	}
	create(t, s, r.ref(0, "demo/orphan"), signer.ECDSAP256)
	destroy(pkcs11.CKO_PRIVATE_KEY, "demo/orphan")
	if _, err := s.Find(t.Context(), r.ref(0, "demo/orphan")); !errors.Is(err, signer.ErrNotFound) {
		t.Errorf("public half alone: %v", err)
	}
	create(t, s, r.ref(0, "demo/orphan"), signer.ECDSAP256)
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

// TestOperation: RSA goes by mechanisms that every token has, with a DigestInfo
// of our own and a salt as long as the hash; a long digest is cut for ECDSA.
func TestOperation(t *testing.T) {
	digest := bytes.Repeat([]byte{7}, 64)
	rsaKey, p256Key := &rsa.PublicKey{N: big.NewInt(1)}, &ecdsa.PublicKey{Curve: elliptic.P256()}
	pss := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthAuto, Hash: crypto.SHA384}
	for _, c := range []struct {
		name      string
		pub       crypto.PublicKey
		opts      crypto.SignerOpts
		mechanism uint
		parameter []byte
		data      []byte
	}{
		{"PKCS #1 v1.5", rsaKey, crypto.SHA512, pkcs11.CKM_RSA_PKCS, nil, append(bytes.Clone(digestInfo[crypto.SHA512]), digest...)},
		{"PSS", rsaKey, pss, pkcs11.CKM_RSA_PKCS_PSS, pkcs11.NewPSSParams(pkcs11.CKM_SHA384, pkcs11.CKG_MGF1_SHA384, 48), digest[:48]},
		{"ECDSA", p256Key, crypto.SHA512, pkcs11.CKM_ECDSA, nil, digest[:32]},
	} {
		op := newOperation(c.pub, digest[:c.opts.HashFunc().Size()], c.opts)
		if op.Mechanism != c.mechanism || !bytes.Equal(op.Parameter, c.parameter) ||
			!bytes.Equal(op.Data, c.data) || op.Login {
			t.Errorf("%s: %+v", c.name, op)
		}
	}
}
