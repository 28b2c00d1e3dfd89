//go:build cgo

package pkcs11

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"officiant/signer"
	"officiant/signer/pkcs11/module"
)

// TestCancelledMaking: who gives up while a key is made waits for it, and the
// deadline does not.
func TestCancelledMaking(t *testing.T) {
	r := newRoom(t, "officiant-root")
	w := r.wrap(t)
	s := r.open(t, 0)
	w.order(t, "hang C_GenerateKeyPair")
	makeKey := func(ctx context.Context, label string) error {
		_, err := s.Create(ctx, r.ref(0, label), signer.Spec{Algorithm: signer.ECDSAP256}, newID(t))
		return err
	}
	var waited atomic.Bool
	err := w.cancelled(t, "C_GenerateKeyPair", func(ctx context.Context) error {
		context.AfterFunc(ctx, func() {
			time.Sleep(deadline)
			waited.Store(true)
			w.order(t)
		})
		return makeKey(ctx, "demo/root")
	})
	if err != nil || !waited.Load() {
		t.Errorf("%v; waited: %t", err, waited.Load())
	}
	if _, err := s.Find(t.Context(), r.ref(0, "demo/root")); err != nil {
		t.Errorf("the key that was waited for: %v", err)
	}
	w.order(t, "hang C_GenerateKeyPair")
	hangs(t, "create", func(ctx context.Context) error { return makeKey(ctx, "demo/next") })
}

// TestLimitsAreTheModules: nothing is waited for longer than the module's process is.
func TestLimitsAreTheModules(t *testing.T) {
	l := Options{Timeout: time.Second}.limits()
	longest := module.Longer * time.Second
	for n, want := range map[int]time.Duration{1: time.Second, 2: 2 * time.Second, module.Longer: longest,
		mostAtOnce: longest} {
		if got := l.batch(n); got != want {
			t.Errorf("%d signatures may take %s, want %s", n, got, want)
		}
	}
	if l.create != longest || l.pad != longest {
		t.Errorf("a key may take %s, a person %s", l.create, l.pad)
	}
}
