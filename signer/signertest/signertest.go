package signertest

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"errors"
	"reflect"
	"testing"
	"time"

	"officiant/signer"
)

// NewStore opens an empty store and says how a key of a label is named in it.
// The suite closes the store.
type NewStore func(t *testing.T) (store signer.Store, ref func(label string) signer.Ref)

// patience is what any call of the suite may take, RSA-4096 keys included.
const patience = 3 * time.Minute

// Run runs the suite for the algorithms the backend offers; the first is used
// where any will do, so it should be a quick one.
func Run(t *testing.T, newStore NewStore, algorithms ...signer.Algorithm) {
	if len(algorithms) == 0 {
		t.Fatal("no algorithms to test")
	}
	s := suite{newStore: newStore, quick: algorithms[0]}
	for _, a := range algorithms {
		t.Run(string(a), func(t *testing.T) { s.key(t, a) })
	}
	t.Run("absent", s.absent)
	t.Run("duplicate", s.duplicate)
	t.Run("list", s.list)
	t.Run("destroy", s.destroy)
	t.Run("unknown algorithm", s.unknownAlgorithm)
	t.Run("another key", s.anotherKey)
	t.Run("concurrent", s.concurrent)
	t.Run("ended context", s.endedContext)
	t.Run("closed", s.closed)
}

type suite struct {
	newStore NewStore
	quick    signer.Algorithm
}

// open opens a store for one test, which closes it even when it fails.
func (s suite) open(t *testing.T) (context.Context, signer.Store, func(string) signer.Ref) {
	t.Helper()
	store, ref := s.newStore(t)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(func() {
		cancel()
		if err := store.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return ctx, store, ref
}

func newID(t *testing.T) (id signer.ID) {
	t.Helper()
	if _, err := rand.Read(id[:]); err != nil {
		t.Fatal(err)
	}
	return id
}

func create(t *testing.T, ctx context.Context, store signer.Store, ref signer.Ref, a signer.Algorithm) signer.Key {
	t.Helper()
	k, err := store.Create(ctx, ref, signer.Spec{Algorithm: a}, newID(t))
	if err != nil {
		t.Fatalf("create %s: %v", ref.Label, err)
	}
	return k
}

// key follows one key from its making to its use.
func (s suite) key(t *testing.T, a signer.Algorithm) {
	ctx, store, ref := s.open(t)
	id := newID(t)
	made, err := store.Create(ctx, ref("demo/root"), signer.Spec{Algorithm: a}, id)
	if err != nil {
		t.Fatal(err)
	}
	checkInfo(t, store, made, "demo/root", a)
	checkSignatures(t, ctx, made)
	checkRefusals(t, ctx, made)
	checkCertificate(t, made)

	found, err := store.Find(ctx, ref("demo/root"))
	if err != nil {
		t.Fatalf("find: %v", err)
	}
	same(t, made, found)
	checkInfo(t, store, found, "demo/root", a)
	challenge(t, ctx, found, made.Public())

	finder, ok := store.(signer.IDFinder)
	if !ok {
		t.Fatal("the store cannot find a key by its id, so a crash would lose one")
	}
	byID, err := finder.FindID(ctx, ref("demo/root"), id)
	if err != nil {
		t.Fatalf("find by id: %v", err)
	}
	same(t, made, byID)
	challenge(t, ctx, byID, made.Public())
}

func same(t *testing.T, a, b signer.Key) {
	t.Helper()
	if !a.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(b.Public()) {
		t.Fatal("found another key than the one made")
	}
	if !bytes.Equal(a.Info().ID, b.Info().ID) || len(a.Info().ID) == 0 {
		t.Fatalf("id is %x, was made with %x", b.Info().ID, a.Info().ID)
	}
}

func checkInfo(t *testing.T, store signer.Store, k signer.Key, label string, a signer.Algorithm) {
	t.Helper()
	info := k.Info()
	if got, err := signer.AlgorithmOf(k.Public()); err != nil || got != a || info.Algorithm != a {
		t.Errorf("algorithm: public key %q (%v), info %q, want %q", got, err, info.Algorithm, a)
	}
	if info.Label != label {
		t.Errorf("label %q, want %q", info.Label, label)
	}
	if !info.Grade.AtLeast(signer.Unproven) {
		t.Errorf("grade %q is none", info.Grade)
	}
	if info.Grade != signer.Attested && info.Reason == "" {
		t.Errorf("grade %q without a reason", info.Grade)
	}
	if len(info.Attributes) == 0 {
		t.Error("no attributes: nothing shows what the grade stands on")
	}
	if d, ok := store.(signer.Describer); !ok {
		t.Error("the store does not say which device it is")
	} else if d.Describe() != info.Device || info.Device.Backend == "" {
		t.Errorf("device of the key %+v, of the store %+v", info.Device, d.Describe())
	}
}

func challenge(t *testing.T, ctx context.Context, k signer.Key, want crypto.PublicKey) {
	t.Helper()
	nonce := make([]byte, signer.NonceSize)
	if _, err := rand.Read(nonce); err != nil {
		t.Fatal(err)
	}
	sig, err := signer.Challenge(ctx, k, want, nonce)
	if err != nil {
		t.Fatal(err)
	}
	if err := signer.VerifyChallenge(want, nonce, sig); err != nil {
		t.Fatal(err)
	}
}

func (s suite) absent(t *testing.T) {
	ctx, store, ref := s.open(t)
	if _, err := store.Find(ctx, ref("demo/absent")); !errors.Is(err, signer.ErrNotFound) {
		t.Errorf("find: %v, want %v", err, signer.ErrNotFound)
	}
	if _, err := store.(signer.IDFinder).FindID(ctx, ref("demo/absent"), newID(t)); !errors.Is(err, signer.ErrNotFound) {
		t.Errorf("find by id: %v, want %v", err, signer.ErrNotFound)
	}
}

func (s suite) duplicate(t *testing.T) {
	ctx, store, ref := s.open(t)
	first := create(t, ctx, store, ref("demo/root"), s.quick)
	if _, err := store.Create(ctx, ref("demo/root"), signer.Spec{Algorithm: s.quick}, newID(t)); !errors.Is(err, signer.ErrExists) {
		t.Fatalf("second of a name: %v, want %v", err, signer.ErrExists)
	}
	found, err := store.Find(ctx, ref("demo/root"))
	if err != nil {
		t.Fatal(err)
	}
	same(t, first, found)
}

// list shows each key once, by label, as Find describes it.
func (s suite) list(t *testing.T) {
	ctx, store, ref := s.open(t)
	lister, ok := store.(signer.Lister)
	if !ok {
		t.Fatal("the store cannot list its keys")
	}
	if listed, err := lister.List(ctx); err != nil || len(listed) != 0 {
		t.Fatalf("of an empty store: %v, %v", listed, err)
	}
	two, one := create(t, ctx, store, ref("demo/two"), s.quick), create(t, ctx, store, ref("demo/one"), s.quick)
	listed, err := lister.List(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if want := []signer.Info{one.Info(), two.Info()}; !reflect.DeepEqual(listed, want) {
		t.Errorf("listed %+v, want %+v", listed, want)
	}
}

func (s suite) unknownAlgorithm(t *testing.T) {
	ctx, store, ref := s.open(t)
	for _, a := range []signer.Algorithm{"", "ECDSA-P224", "RSA-1024", "ecdsa-p256"} {
		if _, err := store.Create(ctx, ref("demo/root"), signer.Spec{Algorithm: a}, newID(t)); err == nil {
			t.Errorf("made a key of %q", a)
		}
	}
	if _, err := store.Find(ctx, ref("demo/root")); !errors.Is(err, signer.ErrNotFound) {
		t.Errorf("after refusals: %v, want %v", err, signer.ErrNotFound)
	}
}

// anotherKey shows that a challenge refuses the wrong key.
func (s suite) anotherKey(t *testing.T) {
	ctx, store, ref := s.open(t)
	one, two := create(t, ctx, store, ref("demo/one"), s.quick), create(t, ctx, store, ref("demo/two"), s.quick)
	nonce := make([]byte, signer.NonceSize)
	if _, err := signer.Challenge(ctx, one, two.Public(), nonce); err == nil {
		t.Error("a challenge to one key passed for another")
	}
	sig, err := signer.Challenge(ctx, one, one.Public(), nonce)
	if err != nil {
		t.Fatal(err)
	}
	if signer.VerifyChallenge(two.Public(), nonce, sig) == nil {
		t.Error("one key's answer verifies with another's public key")
	}
}

func (s suite) closed(t *testing.T) {
	ctx, store, ref := s.open(t)
	k := create(t, ctx, store, ref("demo/root"), s.quick)
	for range 2 {
		if err := store.Close(); err != nil {
			t.Fatalf("close: %v", err)
		}
	}
	hash := signer.HashFor(k.Public())
	if _, err := k.SignContext(ctx, make([]byte, hash.Size()), hash); !errors.Is(err, signer.ErrUnavailable) {
		t.Errorf("sign after close: %v, want %v", err, signer.ErrUnavailable)
	}
	if _, err := store.Find(ctx, ref("demo/root")); !errors.Is(err, signer.ErrUnavailable) {
		t.Errorf("find after close: %v, want %v", err, signer.ErrUnavailable)
	}
}
