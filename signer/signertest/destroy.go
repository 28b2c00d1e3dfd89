package signertest

import (
	"errors"
	"testing"

	"officiant/bundle/fingerprint"
	"officiant/signer"
)

// destroy shows that a key is destroyed by its id and public key, and no other one,
// and that a process that was killed can ask again.
func (s suite) destroy(t *testing.T) {
	ctx, store, ref := s.open(t)
	destroyer, ok := store.(signer.Destroyer)
	if !ok {
		t.Fatal("the store cannot destroy a key")
	}
	id := newID(t)
	gone, err := store.Create(ctx, ref("demo/gone"), signer.Spec{Algorithm: s.quick}, id)
	if err != nil {
		t.Fatal(err)
	}
	kept := create(t, ctx, store, ref("demo/kept"), s.quick)
	spki, err := fingerprint.SPKI(gone.Public())
	if err != nil {
		t.Fatal(err)
	}
	other, err := fingerprint.SPKI(kept.Public())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := destroyer.Destroy(ctx, ref("demo/gone"), id, other); errors.Is(err, signer.ErrUnsupported) {
		found, err := store.Find(ctx, ref("demo/gone"))
		if err != nil {
			t.Fatalf("a store that destroys no key has lost it: %v", err)
		}
		challenge(t, ctx, found, gone.Public())
		return
	}
	if _, err := destroyer.Destroy(ctx, ref("demo/gone"), id, other); !errors.Is(err, signer.ErrOther) {
		t.Fatalf("with another's public key: %v, want %v", err, signer.ErrOther)
	}
	if _, err := destroyer.Destroy(ctx, ref("demo/gone"), newID(t), spki); !errors.Is(err, signer.ErrNotFound) {
		t.Fatalf("with another id: %v, want %v", err, signer.ErrNotFound)
	}
	if found, err := store.Find(ctx, ref("demo/gone")); err != nil {
		t.Fatalf("after refusals: %v", err)
	} else {
		challenge(t, ctx, found, gone.Public())
	}
	at, err := destroyer.Destroy(ctx, ref("demo/gone"), id, spki)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Find(ctx, ref("demo/gone")); err == nil {
		t.Error("it can be found after it was destroyed")
	}
	again, err := destroyer.Destroy(ctx, ref("demo/gone"), id, spki)
	if at.IsZero() && !errors.Is(err, signer.ErrNotFound) || !at.IsZero() && (err != nil || !again.Equal(at)) {
		t.Errorf("asked again: %v, %v; at first %v", again, err, at)
	}
	found, err := store.Find(ctx, ref("demo/kept"))
	if err != nil {
		t.Fatalf("the other key: %v", err)
	}
	challenge(t, ctx, found, kept.Public())
}
