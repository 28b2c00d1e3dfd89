//go:build cgo

package pkcs11

import (
	"runtime"
	"sync"
	"testing"

	"github.com/miekg/pkcs11"

	"officiant/signer"
)

// TestCalls holds a signature to C_SignInit and C_Sign.
func TestCalls(t *testing.T) {
	r := newRoom(t, "officiant-root")
	w := r.wrap(t)
	s := r.open(t, 0)
	for _, a := range []signer.Algorithm{signer.ECDSAP256, signer.RSA2048} {
		k := create(t, s, r.ref(0, "demo/"+string(a)), a)
		w.calls(t)
		const n = 50
		for range n {
			if err := sign(t.Context(), k); err != nil {
				t.Fatal(err)
			}
		}
		if calls := w.calls(t); calls["all"] != 2*n {
			t.Errorf("%s: %d calls for %d signatures: %v", a, calls["all"], n, calls)
		}
	}
}

// TestSessions: a token that waits is kept busy on every session it allows,
// and no more are opened than it does, whether it says so or not.
func TestSessions(t *testing.T) {
	for _, c := range []struct {
		order string
		want  int // sessions
		busy  int // so many signatures at once
	}{
		{"sessions 4", 4, 4},
		{"sessions 1", 1, 1},
		{"limit 1", max(2, runtime.GOMAXPROCS(0)), 1},
		{"limit 2", max(2, runtime.GOMAXPROCS(0)), 2},
	} {
		t.Run(c.order, func(t *testing.T) {
			r := newRoom(t, "officiant-root")
			w := r.wrap(t)
			w.order(t, c.order)
			s := r.open(t, 0)
			if s.Sessions() != c.want {
				t.Errorf("%d sessions, want %d", s.Sessions(), c.want)
			}
			k := create(t, s, r.ref(0, "demo/root"), signer.ECDSAP256)
			w.order(t, c.order, "delay C_Sign 20000")
			var wg sync.WaitGroup
			for range 6 * c.busy {
				wg.Go(func() {
					if err := sign(t.Context(), k); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			if peak := w.trace(t, "C_Sign").peak; peak != c.busy {
				t.Errorf("%d signatures at once, want %d", peak, c.busy)
			}
		})
	}
}

func TestPoolSize(t *testing.T) {
	for _, c := range []struct {
		maker    string // of the module
		rw, all  uint
		software bool
		cores    int
		want     int
	}{
		{"", 0, 0, true, 1, 2},
		{"", 0, 0, true, 8, 8},
		{"", 0, 0, false, 2, deviceSessions},
		{"", ^uint(0), ^uint(0), false, 32, 32},
		{"", ^uint(0), ^uint(0), false, 200, maxSessions},
		{"", 1, 1, false, 8, 1},
		{"", 2, 10, false, 8, 2},
		{"", 0, 5, true, 2, 5},
		{"", 1 << 40, 1 << 63, true, 2, maxSessions},
		{"tpm2-software.github.io", 0, 0, false, 8, 1},
		{"tpm2-software.github.io", 64, 64, true, 8, 1},
	} {
		info := pkcs11.TokenInfo{MaxRwSessionCount: c.rw, MaxSessionCount: c.all}
		if got := sessions(pkcs11.Info{ManufacturerID: c.maker}, info, c.software, c.cores); got != c.want {
			t.Errorf("%+v: %d", c, got)
		}
	}
}
