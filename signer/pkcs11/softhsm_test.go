//go:build cgo

package pkcs11

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"testing"

	"officiant/signer"
	"officiant/signer/signertest"
	"officiant/softhsm"
)

// room is a SoftHSM token directory of one test.
type room struct {
	module  string
	made    []softhsm.Made
	pin     string
	labels  []string
	asked   int
	devices []signer.Device
}

// newRoom makes a token for each label. SoftHSM reads its configuration when
// it is initialized, so tests with a room of their own run one after another.
func newRoom(t testing.TB, labels ...string) *room {
	t.Helper()
	module, err := softhsm.Find()
	if err != nil {
		if os.Getenv("OFFICIANT_REQUIRE_SOFTHSM") != "" {
			t.Fatal(err)
		}
		t.Skipf("needs SoftHSM: %v", err)
	}
	var tokens []softhsm.Token
	for _, label := range labels {
		tokens = append(tokens, softhsm.Token{Label: label, SOPIN: []byte("so-pin-1234"), PIN: []byte("user-pin-1234")})
	}
	r := &room{module: module, pin: "user-pin-1234", labels: labels}
	setenv := func(key, value string) error { t.Setenv(key, value); return nil }
	if _, r.made, err = softhsm.Init(t.TempDir(), module, tokens, setenv); err != nil {
		t.Fatal(err)
	}
	return r
}

// ref names a key on the i-th token.
func (r *room) ref(i int, label string) signer.Ref {
	return signer.Ref{
		URI:   fmt.Sprintf("pkcs11:token=%s;serial=%s?module-path=%s", r.made[i].Label, r.made[i].Serial, r.module),
		Label: label,
	}
}

// ask answers with the room's PIN and keeps count.
func (r *room) ask(_ context.Context, d signer.Device) ([]byte, error) {
	r.asked++
	r.devices = append(r.devices, d)
	return bytes.Clone([]byte(r.pin)), nil
}

// open opens the i-th token until the test's end.
func (r *room) open(t testing.TB, i int) *store {
	t.Helper()
	s, err := Open(t.Context(), r.ref(i, ""), r.ask)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s.(*store)
}

func TestConformance(t *testing.T) {
	newStore := func(t *testing.T) (signer.Store, func(string) signer.Ref) {
		r := newRoom(t, "officiant-root")
		return r.open(t, 0), func(label string) signer.Ref { return r.ref(0, label) }
	}
	algorithms := []signer.Algorithm{signer.ECDSAP256, signer.ECDSAP384, signer.ECDSAP521, signer.RSA2048, signer.RSA3072}
	if !testing.Short() {
		algorithms = append(algorithms, signer.RSA4096)
	}
	signertest.Run(t, newStore, algorithms...)
}
