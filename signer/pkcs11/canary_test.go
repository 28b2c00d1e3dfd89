//go:build cgo

package pkcs11

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/pkcs11"

	"officiant/signer"
)

// count is how many objects of any kind the token holds.
func count(t *testing.T, s *store) (n int) {
	t.Helper()
	on(t, s, func(h pkcs11.SessionHandle) error {
		found, err := s.objects.search(h, 1<<20)
		n = len(found)
		return err
	})
	return n
}

func outcomes(c signer.Canary) map[string]string {
	all := map[string]string{}
	for _, t := range c.Trials {
		all[t.Name] = t.Outcome
		if t.Leaks {
			all[t.Name] = "LEAK " + t.Outcome
		}
	}
	return all
}

// TestCanary: SoftHSM refuses all; the canary has the attributes of a real key,
// can be used, and is gone afterwards.
func TestCanary(t *testing.T) {
	for algorithm, secret := range map[signer.Algorithm]string{
		signer.ECDSAP384: "CKA_VALUE", signer.RSA2048: "CKA_PRIVATE_EXPONENT",
	} {
		t.Run(string(algorithm), func(t *testing.T) {
			r := newRoom(t, "officiant-root")
			s := r.open(t, 0)
			real := create(t, s, r.ref(0, "demo/root"), algorithm)
			id := newID(t)
			used := false
			told, err := s.Probe(t.Context(), r.ref(0, "demo/root"), signer.Spec{Algorithm: algorithm}, id, func(ctx context.Context, k signer.Key) error {
				used = k.Info().Label == signer.CanaryLabel+hex.EncodeToString(id[:]) && count(t, s) == 4
				return sign(ctx, k.(*key))
			})
			if err != nil || !used || told.Leak() != "" {
				t.Fatalf("%v, used %v, leaks %q", err, used, told.Leak())
			}
			want := map[string]string{
				"read " + secret:                 "CKR_ATTRIBUTE_SENSITIVE",
				"copy with CKA_EXTRACTABLE true": "CKR_ACTION_PROHIBITED",
				"wrap with CKM_AES_CBC_PAD":      "CKR_MECHANISM_INVALID",
				"wrap with CKM_AES_KEY_WRAP":     "CKR_KEY_UNEXTRACTABLE",
				"wrap with CKM_AES_KEY_WRAP_PAD": "CKR_KEY_UNEXTRACTABLE",
				"set CKA_EXTRACTABLE to true":    "CKR_ACTION_PROHIBITED",
				"set CKA_SENSITIVE to false":     "CKR_ACTION_PROHIBITED",
			}
			if got := outcomes(told); !maps.Equal(got, want) {
				t.Errorf("trials %v,\nwant %v", got, want)
			}
			if told.Algorithm != algorithm || !reflect.DeepEqual(told.Attributes, real.info.Attributes) {
				t.Errorf("%s, attributes %v, of a real key %v", told.Algorithm, told.Attributes, real.info.Attributes)
			}
			if n := count(t, s); n != 2 {
				t.Errorf("%d objects are left, want the two of the real key", n)
			}
		})
	}
}

// TestCanaryLeaks: a token that gives the key, in each way there is. The
// wrapper has SoftHSM make the key extractable, and tells that it is not.
func TestCanaryLeaks(t *testing.T) {
	r := newRoom(t, "officiant-root")
	w := r.wrap(t)
	s := r.open(t, 0)
	w.order(t, "weaken", "reads 0x162 0", "reads 0x103 1")
	told, err := s.Probe(t.Context(), r.ref(0, ""), signer.Spec{Algorithm: signer.ECDSAP256}, newID(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	if told.Attributes["CKA_EXTRACTABLE"] != isFalse || told.Attributes["CKA_SENSITIVE"] != isTrue {
		t.Fatalf("the wrapper does not lie: %v", told.Attributes)
	}
	leaked := map[string]bool{}
	for _, trial := range told.Trials {
		leaked[trial.Name] = trial.Leaks
	}
	for _, name := range []string{
		"read CKA_VALUE", "copy with CKA_EXTRACTABLE true", "wrap with CKM_AES_KEY_WRAP_PAD",
		"set CKA_EXTRACTABLE to true", "read CKA_VALUE, after set CKA_EXTRACTABLE to true",
		"wrap with CKM_AES_KEY_WRAP_PAD, after set CKA_EXTRACTABLE to true",
		"set CKA_SENSITIVE to false", "read CKA_VALUE, after set CKA_SENSITIVE to false",
	} {
		if !leaked[name] || !strings.Contains(told.Leak(), name+": accepted") {
			t.Errorf("%s is no leak: %v", name, outcomes(told))
		}
	}
	if n := count(t, s); n != 0 {
		t.Errorf("%d objects are left", n)
	}
}

// TestCanaryTrials: what a token may answer, one order at a time.
func TestCanaryTrials(t *testing.T) {
	for _, c := range []struct {
		orders []string
		want   map[string]string
	}{
		{[]string{"accept C_SetAttributeValue"}, map[string]string{ // a flip that changes nothing is one all the same
			"set CKA_EXTRACTABLE to true":                                       "LEAK accepted; it reads false",
			"wrap with CKM_AES_KEY_WRAP_PAD, after set CKA_EXTRACTABLE to true": "CKR_KEY_UNEXTRACTABLE",
			"read CKA_VALUE, after set CKA_SENSITIVE to false":                  "CKR_ATTRIBUTE_SENSITIVE"}},
		{[]string{"accept C_WrapKey"}, map[string]string{"wrap with CKM_AES_KEY_WRAP": "LEAK accepted: 0 bytes"}},
		{[]string{"fail C_WrapKey 0x60"}, map[string]string{"wrap with CKM_AES_KEY_WRAP": "CKR_KEY_HANDLE_INVALID"}}, // the token is not gone
		{[]string{"fail C_GenerateKey 0x70"}, map[string]string{"wrap with an AES key": "not tried: the token makes no AES key: CKR_MECHANISM_INVALID"}},
		{[]string{"without 0x1080"}, map[string]string{"wrap with an AES key": "not tried: the token makes no AES keys"}},
		{[]string{"without 0x1085", "without 0x2109", "without 0x210A", "without 0x210B"}, map[string]string{
			"wrap with an AES key": "not tried: the token lists no mechanism for it"}},
		{[]string{"fail C_SetAttributeValue 0x10"}, map[string]string{"set CKA_SENSITIVE to false": "CKR_ATTRIBUTE_READ_ONLY"}},
	} {
		t.Run(strings.Join(c.orders, ", "), func(t *testing.T) {
			r := newRoom(t, "officiant-root")
			w := r.wrap(t)
			s := r.open(t, 0)
			w.order(t, c.orders...)
			told, err := s.Probe(t.Context(), r.ref(0, ""), signer.Spec{Algorithm: signer.ECDSAP256}, newID(t), nil)
			if err != nil {
				t.Fatal(err)
			}
			for name, want := range c.want {
				if got := outcomes(told)[name]; got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
			if leaks := strings.Contains(fmt.Sprint(c.want), "LEAK"); leaks != (told.Leak() != "") {
				t.Errorf("leaks: %q", told.Leak())
			}
			if n := count(t, s); n != 0 {
				t.Errorf("%d objects are left", n)
			}
		})
	}
}

// TestCanaryLeftover: what a killed process left is destroyed, in whatever
// state, and a new canary is tried.
func TestCanaryLeftover(t *testing.T) {
	r := newRoom(t, "officiant-root")
	s := r.open(t, 0)
	create(t, s, r.ref(0, "demo/root"), signer.ECDSAP256)
	for _, what := range []string{"both halves", "public half", "private half"} {
		id := newID(t)
		var left pair
		on(t, s, func(h pkcs11.SessionHandle) error {
			var err error
			left, err = s.maker.generate(h, signer.ECDSAP256, signer.CanaryLabel+hex.EncodeToString(id[:]), id[:])
			return err
		})
		switch what {
		case "public half":
			destroyObject(t, s, left.private)
		case "private half":
			destroyObject(t, s, left.public)
		}
		told, err := s.Probe(t.Context(), r.ref(0, ""), signer.Spec{Algorithm: signer.ECDSAP256}, id, nil)
		if err != nil || len(told.Trials) == 0 {
			t.Errorf("%s: %v", what, err)
		}
		if n := count(t, s); n != 2 {
			t.Errorf("%s: %d objects are left", what, n)
		}
	}
}

// TestCanaryForeign: nothing else is ever destroyed.
func TestCanaryForeign(t *testing.T) {
	r := newRoom(t, "officiant-root")
	s := r.open(t, 0)
	spec := signer.Spec{Algorithm: signer.ECDSAP256}
	for name, c := range map[string]struct {
		label string
		id    signer.ID
	}{
		"another label with the id":       {"demo/root", signer.ID{1}},
		"another canary's with the id":    {signer.CanaryLabel + "02", signer.ID{1}},
		"the label, but an id of its own": {signer.CanaryLabel + hex.EncodeToString(bytesOf(signer.ID{1})), signer.ID{2}},
	} {
		on(t, s, func(h pkcs11.SessionHandle) error {
			_, err := s.maker.generate(h, signer.ECDSAP256, c.label, c.id[:])
			return err
		})
		told, err := s.Probe(t.Context(), r.ref(0, ""), spec, signer.ID{1}, nil)
		if !errors.Is(err, signer.ErrExists) || len(told.Trials) != 0 || strings.Contains(err.Error(), "still be in the token") {
			t.Errorf("%s: %v, %v", name, err, told.Trials)
		}
		k, err := s.FindID(t.Context(), r.ref(0, ""), c.id)
		if err != nil || sign(t.Context(), k.(*key)) != nil || count(t, s) != 2 {
			t.Errorf("%s: was touched: %v, %d objects", name, err, count(t, s))
		}
		on(t, s, func(h pkcs11.SessionHandle) error {
			found, err := s.objects.search(h, enough)
			for _, o := range found {
				err = errors.Join(err, s.lib.ctx.DestroyObject(h, o))
			}
			return err
		})
	}
	for name, probe := range map[string]func() (signer.Canary, error){
		"zeros":     func() (signer.Canary, error) { return s.Probe(t.Context(), r.ref(0, ""), spec, signer.ID{}, nil) },
		"algorithm": func() (signer.Canary, error) { return s.Probe(t.Context(), r.ref(0, ""), signer.Spec{}, newID(t), nil) },
		"another token": func() (signer.Canary, error) {
			return s.Probe(t.Context(), signer.Ref{URI: "pkcs11:token=x?module-path=" + r.module}, spec, newID(t), nil)
		},
	} {
		if _, err := probe(); err == nil || count(t, s) != 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func bytesOf(id signer.ID) []byte { return id[:] }

// TestCanaryDies on every way out.
func TestCanaryDies(t *testing.T) {
	spec := signer.Spec{Algorithm: signer.ECDSAP256}
	failed := errors.New("no use")
	for _, c := range []struct {
		name, order string
		use         func(context.Context, signer.Key) error
		want        string
	}{
		{"use fails", "", func(context.Context, signer.Key) error { return failed }, "no use"},
		{"trial ends badly", "fail C_GetMechanismList 0x5", nil, "CKR_GENERAL_ERROR"},
		{"id not kept", "another id", nil, "the token gave it the id"},
		{"no such mechanism", "fail C_GetMechanismInfo 0x70", nil, "CKM_EC_KEY_PAIR_GEN"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRoom(t, "officiant-root")
			w := r.wrap(t)
			s := r.open(t, 0)
			w.order(t, c.order)
			_, err := s.Probe(t.Context(), r.ref(0, ""), spec, newID(t), c.use)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), signer.CanaryLabel) {
				t.Errorf("%v", err)
			}
			if n := count(t, s); n != 0 {
				t.Errorf("%d objects are left", n)
			}
		})
	}
	t.Run("cancelled", func(t *testing.T) {
		r := newRoom(t, "officiant-root")
		s := r.open(t, 0)
		ctx, cancel := context.WithCancel(t.Context())
		_, err := s.Probe(ctx, r.ref(0, ""), spec, newID(t), func(ctx context.Context, _ signer.Key) error { cancel(); return ctx.Err() })
		if !errors.Is(err, context.Canceled) || count(t, s) != 0 {
			t.Errorf("%v, %d objects are left", err, count(t, s))
		}
	})
	t.Run("cannot", func(t *testing.T) { // and says so
		r := newRoom(t, "officiant-root")
		w := r.wrap(t)
		s := r.open(t, 0)
		w.order(t, "fail C_DestroyObject 0x1B")
		id := newID(t)
		_, err := s.Probe(t.Context(), r.ref(0, ""), spec, id, nil)
		if err == nil || !strings.Contains(err.Error(), "still be in the token") || !strings.Contains(err.Error(), "CKR_ACTION_PROHIBITED") {
			t.Errorf("%v", err)
		}
		w.order(t, "accept C_DestroyObject") // it only says that it did
		if _, err = s.Probe(t.Context(), r.ref(0, ""), spec, id, nil); err == nil {
			t.Error("the token only says that it destroys")
		}
		w.order(t)
		if _, err = s.Probe(t.Context(), r.ref(0, ""), spec, id, nil); err != nil || count(t, s) != 0 {
			t.Errorf("%v, %d objects are left", err, count(t, s))
		}
	})
}

// TestCanaryHangs: the Probe ends when it is told to; the next process has the
// leftover destroyed.
func TestCanaryHangs(t *testing.T) {
	r := newRoom(t, "officiant-root")
	w := r.wrap(t)
	s := r.open(t, 0)
	id := newID(t)
	w.order(t, "hang C_WrapKey")
	var told signer.Canary
	err := w.cancelled(t, "C_WrapKey", func(ctx context.Context) (err error) {
		told, err = s.Probe(ctx, r.ref(0, ""), signer.Spec{Algorithm: signer.ECDSAP256}, id, nil)
		return err
	})
	if !errors.Is(err, context.Canceled) || !errors.Is(err, signer.ErrUnavailable) || !strings.Contains(err.Error(), "still be in the token") {
		t.Errorf("%v", err)
	}
	if !slices.ContainsFunc(told.Trials, func(t signer.Trial) bool { return t.Name == "read CKA_VALUE" }) {
		t.Errorf("what was tried before is not told: %v", told.Trials)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	processEnds(t, s)
	w.order(t)
	again := r.open(t, 0)
	if n := count(t, again); n != 2 {
		t.Fatalf("%d objects are left, want the canary's", n)
	}
	if _, err := again.Probe(t.Context(), r.ref(0, ""), signer.Spec{Algorithm: signer.ECDSAP256}, id, nil); err != nil || count(t, again) != 0 {
		t.Errorf("%v, %d objects are left", err, count(t, again))
	}
}
