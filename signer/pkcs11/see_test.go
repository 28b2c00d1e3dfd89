//go:build cgo

package pkcs11

import (
	"errors"
	"slices"
	"testing"

	"officiant/signer"
)

// TestSee: what a token shows needs no PIN, and one that is not there is said
// to be so.
func TestSee(t *testing.T) {
	r := newRoom(t, "officiant-root")
	seen, err := Options{}.See(t.Context(), r.ref(0, "x"))
	if err != nil {
		t.Fatal(err)
	}
	if seen.Label != "officiant-root" || seen.Serial != r.made[0].Serial || seen.ModuleSHA256 == "" || seen.Unready != "" {
		t.Errorf("%+v", seen)
	}
	if !slices.Contains(seen.Algorithms, signer.ECDSAP384) || !slices.Contains(seen.Algorithms, signer.RSA4096) {
		t.Errorf("algorithms %q", seen.Algorithms)
	}
	for uri, want := range map[string]error{
		"pkcs11:token=another?module-path=" + r.module:          signer.ErrUnavailable,
		"pkcs11:token=officiant-root?module-path=/nowhere.so":   signer.ErrUnavailable,
		"pkcs11:token=officiant-root;serial=1;serial=2":         nil, // any error
		"pkcs11:object=x?module-path=/usr/lib/softhsm/no-token": nil,
	} {
		if _, err := (Options{}).See(t.Context(), signer.Ref{URI: uri}); err == nil || want != nil && !errors.Is(err, want) {
			t.Errorf("%s: %v", uri, err)
		}
	}
	if r.asked != 0 {
		t.Errorf("asked for a PIN %d times", r.asked)
	}
}
