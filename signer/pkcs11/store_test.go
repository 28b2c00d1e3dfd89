//go:build cgo

package pkcs11

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"officiant/signer"
)

// deadline is what a test gives a device that hangs.
const deadline = 100 * time.Millisecond

func sign(ctx context.Context, k *key) error {
	nonce := make([]byte, signer.NonceSize)
	_, err := signer.Challenge(ctx, k, k.Public(), nonce)
	return err
}

// hangs shows that f returns at its deadline and says why.
func hangs(t *testing.T, what string, f func(ctx context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	start := time.Now()
	err := f(ctx)
	if took := time.Since(start); took > deadline+time.Minute { // or never
		t.Errorf("%s returned after %v", what, took)
	}
	if !errors.Is(err, signer.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%s: %v", what, err)
	}
}

// processEnds waits until a store's module has no process any more.
func processEnds(t *testing.T, s *store) {
	t.Helper()
	for range 500 {
		if errors.Is(unix.Kill(s.lib.ctx.PID(), 0), unix.ESRCH) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("the module's process does not end")
}

func TestHangingSign(t *testing.T) {
	r := newRoom(t, "officiant-root")
	w := r.wrap(t)
	s := r.open(t, 0)
	k := create(t, s, r.ref(0, "demo/root"), signer.ECDSAP256)
	w.order(t, "hang C_Sign")
	hangs(t, "sign", func(ctx context.Context) error { return sign(ctx, k) })

	// The store stays lost, whether the device wakes up or not.
	before := w.calls(t)
	if before["C_Finalize"] != 0 {
		t.Error("finalized with a call in hand")
	}
	for _, f := range []func() error{
		func() error { return sign(t.Context(), k) },
		func() error { _, err := s.Find(t.Context(), r.ref(0, "demo/root")); return err },
		func() error {
			_, err := s.Create(t.Context(), r.ref(0, "x"), signer.Spec{Algorithm: signer.ECDSAP256}, newID(t))
			return err
		},
	} {
		if err := f(); !errors.Is(err, signer.ErrUnavailable) || !strings.Contains(err.Error(), "given up") {
			t.Errorf("afterwards: %v", err)
		}
	}
	if after := w.calls(t); after["all"] != 0 {
		t.Errorf("a lost store still calls: %v", after)
	}
	start := time.Now()
	if err := s.Close(); err != nil || time.Since(start) > closeWait-time.Second {
		t.Errorf("close: %v after %v", err, time.Since(start))
	}
	processEnds(t, s) // nothing is written by a call that signs
	w.order(t)
	if w.calls(t)["C_Finalize"] != 0 {
		t.Error("finalized with a call in hand")
	}
	again, err := r.open(t, 0).Find(t.Context(), r.ref(0, "demo/root"))
	if err != nil {
		t.Fatal(err)
	}
	if err := sign(t.Context(), again.(*key)); err != nil {
		t.Errorf("opened anew: %v", err)
	}
}

func TestHangingCreate(t *testing.T) {
	r := newRoom(t, "officiant-root")
	w := r.wrap(t)
	s := r.open(t, 0)
	w.order(t, "hang C_GenerateKeyPair")
	id := newID(t)
	hangs(t, "create", func(ctx context.Context) error {
		_, err := s.Create(ctx, r.ref(0, "demo/root"), signer.Spec{Algorithm: signer.ECDSAP256}, id)
		return err
	})
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := unix.Kill(s.lib.ctx.PID(), 0); err != nil {
		t.Errorf("a process that makes a key is not left alone: %v", err)
	}
	w.order(t)
	processEnds(t, s)
	if w.calls(t)["C_Finalize"] != 1 {
		t.Error("the process that was left alone ended without C_Finalize")
	}
	again := r.open(t, 0) // the key may have come to be; its id finds it
	if _, err := again.FindID(t.Context(), r.ref(0, "demo/root"), id); err != nil {
		t.Error(err)
	}
}

func TestHangingOpen(t *testing.T) {
	for _, call := range []string{"C_Initialize", "C_GetTokenInfo", "C_OpenSession", "C_Login"} {
		t.Run(call, func(t *testing.T) {
			r := newRoom(t, "officiant-root")
			w := r.wrap(t)
			w.order(t, "hang "+call)
			hangs(t, "open", func(ctx context.Context) error {
				_, err := Open(ctx, r.ref(0, ""), r.ask)
				return err
			})
		})
	}
}

// TestCancelled: a person who gives up leaves the call behind just so.
func TestCancelled(t *testing.T) {
	r := newRoom(t, "officiant-root")
	w := r.wrap(t)
	s := r.open(t, 0)
	k := create(t, s, r.ref(0, "demo/root"), signer.ECDSAP256)
	w.order(t, "hang C_Sign")
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(deadline, cancel)
	if err := sign(ctx, k); !errors.Is(err, context.Canceled) || !errors.Is(err, signer.ErrUnavailable) {
		t.Errorf("%v", err)
	}
	w.order(t)
}

// TestQueue: who waits for a session in vain is told so, and asks nothing.
func TestQueue(t *testing.T) {
	r := newRoom(t, "officiant-root")
	w := r.wrap(t)
	w.order(t, "sessions 1")
	s := r.open(t, 0)
	k := create(t, s, r.ref(0, "demo/root"), signer.ECDSAP256)
	w.order(t, "sessions 1", "hang C_Sign")
	first := make(chan error)
	go func() { first <- sign(t.Context(), k) }()
	w.await(t, "C_Sign")
	w.calls(t)
	cancelled, cancel := context.WithCancel(t.Context())
	time.AfterFunc(deadline, cancel)
	if err := sign(cancelled, k); !errors.Is(err, context.Canceled) || errors.Is(err, signer.ErrUnavailable) {
		t.Errorf("cancelled in the queue: %v", err)
	}
	hangs(t, "sign in the queue", func(ctx context.Context) error { return sign(ctx, k) })
	w.order(t)
	if err := <-first; err != nil {
		t.Errorf("the call in hand: %v", err)
	}
	if n := w.calls(t)["C_Sign"]; n != 0 {
		t.Errorf("%d signatures for those who had given up", n)
	}
}

// TestRemoved: a token that is gone stays gone.
func TestRemoved(t *testing.T) {
	r := newRoom(t, "officiant-root")
	w := r.wrap(t)
	s := r.open(t, 0)
	k := create(t, s, r.ref(0, "demo/root"), signer.ECDSAP256)
	w.order(t, "fail C_Sign 0x32")
	err := sign(t.Context(), k)
	if !errors.Is(err, signer.ErrUnavailable) || !strings.Contains(err.Error(), "CKR_DEVICE_REMOVED") || !strings.Contains(err.Error(), "taken out") {
		t.Errorf("%v", err)
	}
	w.order(t)
	w.calls(t)
	if err := sign(t.Context(), k); !errors.Is(err, signer.ErrUnavailable) || w.calls(t)["all"] != 0 {
		t.Errorf("afterwards: %v", err)
	}
}

// TestFailedSign: any other failure costs the session, not the store.
func TestFailedSign(t *testing.T) {
	for _, call := range []string{"C_SignInit", "C_Sign"} {
		r := newRoom(t, "officiant-root")
		w := r.wrap(t)
		s := r.open(t, 0)
		k := create(t, s, r.ref(0, "demo/root"), signer.ECDSAP256)
		w.order(t, "fail "+call+" 0x5")
		for range 20 {
			if err := sign(t.Context(), k); err == nil || errors.Is(err, signer.ErrUnavailable) || !strings.Contains(err.Error(), call+": CKR_GENERAL_ERROR") {
				t.Fatalf("%v", err)
			}
		}
		w.order(t)
		w.calls(t)
		if err := sign(t.Context(), k); err != nil {
			t.Error(err)
		}
		if calls := w.calls(t); calls["C_Login"] != 0 || calls["C_SignInit"] != 1 {
			t.Errorf("%v", calls)
		}
	}
}

// TestTwoTokens: two tokens of one module at once, as in a real room.
func TestTwoTokens(t *testing.T) {
	r := newRoom(t, "officiant-root", "officiant-issuing")
	w := r.wrap(t)
	root, issuing := r.open(t, 0), r.open(t, 1)
	a := create(t, root, r.ref(0, "demo/root"), signer.ECDSAP256)
	b := create(t, issuing, r.ref(1, "demo/kubernetes"), signer.ECDSAP256)
	if _, err := root.Find(t.Context(), r.ref(0, "demo/kubernetes")); !errors.Is(err, signer.ErrNotFound) {
		t.Errorf("one token has the other's key: %v", err)
	}
	var wg sync.WaitGroup
	for _, k := range []*key{a, b} {
		for range 4 {
			wg.Go(func() {
				for range 8 {
					if err := sign(t.Context(), k); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	wg.Wait()
	if calls := w.calls(t); calls["C_Login"] != 2 || calls["C_Initialize"] != 1 || r.asked != 2 {
		t.Errorf("%d questions, calls %v", r.asked, calls)
	}
	if err := root.Close(); err != nil {
		t.Fatal(err)
	}
	if err := sign(t.Context(), b); err != nil {
		t.Errorf("after the other store's close: %v", err)
	}
	if calls := w.calls(t); calls["C_Finalize"] != 0 {
		t.Error("finalized under an open store")
	}
	// A failing Open must not finalize either.
	r.pin = "not-the-pin-77"
	if _, err := Open(t.Context(), r.ref(0, ""), r.ask); !errors.Is(err, signer.ErrPIN) {
		t.Error(err)
	}
	if err := sign(t.Context(), b); err != nil {
		t.Errorf("after a failed open: %v", err)
	}
	if err := issuing.Close(); err != nil {
		t.Fatal(err)
	}
	if calls := w.calls(t); calls["C_Finalize"] != 1 || calls["C_OpenSession"] > calls["C_CloseSession"] {
		t.Errorf("at the end: %v", calls)
	}
}

// TestSharedLogin: a second Store on a token asks for no PIN and can go first.
func TestSharedLogin(t *testing.T) {
	r := newRoom(t, "officiant-root")
	w := r.wrap(t)
	first := r.open(t, 0)
	second := r.open(t, 0)
	k := create(t, second, r.ref(0, "demo/root"), signer.ECDSAP256)
	if calls := w.calls(t); calls["C_Login"] != 1 || r.asked != 1 {
		t.Errorf("%d logins, %d questions", calls["C_Login"], r.asked)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := sign(t.Context(), k); err != nil {
		t.Error(err)
	}
	if calls := w.calls(t); calls["C_Logout"] != 0 {
		t.Error("logged out under an open store")
	}
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	third := r.open(t, 0) // a new insertion, a new login
	if r.asked != 2 {
		t.Errorf("%d questions", r.asked)
	}
	if _, err := third.Find(t.Context(), r.ref(0, "demo/root")); err != nil {
		t.Error(err)
	}
}

// TestOwnFunctionList: both function lists are one module for SoftHSM; where
// they are not, keys work through miekg/pkcs11 alone.
func TestOwnFunctionList(t *testing.T) {
	for _, orders := range [][]string{nil, {"own list"}} {
		r := newRoom(t, "officiant-root")
		w := r.wrap(t)
		w.order(t, orders...)
		s := r.open(t, 0)
		k := create(t, s, r.ref(0, "demo/root"), signer.ECDSAP256)
		w.calls(t)
		if err := sign(t.Context(), k); err != nil {
			t.Error(err)
		}
		// miekg/pkcs11 asks C_Sign for the length first.
		if n := w.calls(t)["C_Sign"]; n != 1+len(orders) {
			t.Errorf("%v: %d calls of C_Sign", orders, n)
		}
	}
}

// TestOwnLimits: a device that hangs is given up also when the caller's ctx
// has no deadline, as in a ceremony.
func TestOwnLimits(t *testing.T) {
	for call, step := range map[string]func(r *room, s *store, k *key) error{
		"C_Sign":            func(_ *room, _ *store, k *key) error { return sign(t.Context(), k) },
		"C_FindObjectsInit": func(r *room, s *store, _ *key) error { _, err := s.Find(t.Context(), r.ref(0, "x")); return err },
		"C_GenerateKeyPair": func(r *room, s *store, _ *key) error {
			_, err := s.Create(t.Context(), r.ref(0, "x"), signer.Spec{Algorithm: signer.ECDSAP256}, newID(t))
			return err
		},
	} {
		t.Run(call, func(t *testing.T) {
			r := newRoom(t, "officiant-root")
			w := r.wrap(t)
			s := r.open(t, 0)
			k := create(t, s, r.ref(0, "demo/root"), signer.ECDSAP256)
			s.limits = limits{call: deadline, create: 2 * deadline}
			w.order(t, "hang "+call)
			wantGivenUp(t, func() error { return step(r, s, k) })
		})
	}
	for _, call := range []string{"C_Initialize", "C_GetTokenInfo", "C_OpenSession", "C_Login"} {
		t.Run(call, func(t *testing.T) {
			r := newRoom(t, "officiant-root")
			w := r.wrap(t)
			w.order(t, "hang "+call)
			wantGivenUp(t, func() error {
				_, err := Options{Timeout: deadline}.Open(t.Context(), r.ref(0, ""), r.ask)
				return err
			})
		})
	}
	if l := (Options{}).limits(); l.call < time.Second || l.create < l.call || l.pad < l.call {
		t.Errorf("the limits of a ceremony are %+v", l)
	}
}

func wantGivenUp(t *testing.T, f func() error) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		if !errors.Is(err, signer.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "did not answer in time") {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("still waiting")
	}
}
