//go:build tokens && cgo

package pkcs11

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/miekg/pkcs11"

	"officiant/signer"
	"officiant/signer/pkcs11/pkcs11test"
)

// probe makes a canary, has it sign once, and shows that nothing is left of it.
func probe(t *testing.T, token pkcs11test.Token, a signer.Algorithm) signer.Canary {
	t.Helper()
	s := enter(t, token)
	prober, ok := signer.Store(s).(signer.Prober)
	if !ok {
		t.Fatal("the store cannot probe a canary")
	}
	id, used := newID(t), false
	canary, err := prober.Probe(t.Context(), named(token, ""), signer.Spec{Algorithm: a}, id, func(ctx context.Context, k signer.Key) error {
		used = true
		if want := signer.CanaryLabel + fmt.Sprintf("%x", id); k.Info().Label != want {
			t.Errorf("label %q, want %q", k.Info().Label, want)
		}
		_, err := signer.Challenge(ctx, k, k.Public(), make([]byte, signer.NonceSize))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if !used || canary.Algorithm != a || len(canary.Attributes) == 0 || len(canary.Trials) == 0 {
		t.Errorf("used %t: %+v", used, canary)
	}
	on(t, s, func(h pkcs11.SessionHandle) error {
		for _, class := range []uint{pkcs11.CKO_PRIVATE_KEY, pkcs11.CKO_PUBLIC_KEY, pkcs11.CKO_SECRET_KEY} {
			if found, err := s.objects.named(h, class, "", nil); err != nil || len(found) > 0 {
				t.Errorf("%d objects of class %d are left, %v", len(found), class, err)
			}
		}
		return nil
	})
	return canary
}

// leaks is the names of the trials that a canary failed.
func leaks(c signer.Canary) string {
	var names []string
	for _, trial := range c.Trials {
		if trial.Leaks {
			names = append(names, trial.Name)
		}
	}
	return strings.Join(names, ", ")
}

// each is for a kind of key each, with a token of its own.
func each(t *testing.T, f func(*testing.T, signer.Algorithm)) {
	for _, a := range []signer.Algorithm{signer.ECDSAP256, signer.RSA2048} {
		t.Run(string(a), func(t *testing.T) { f(t, a) })
	}
}

func TestSoftHSMCanary(t *testing.T) {
	each(t, func(t *testing.T, a signer.Algorithm) {
		r := newRoom(t, "officiant-root")
		if c := probe(t, pkcs11test.Token{Module: r.module, Label: "officiant-root", PIN: r.pin}, a); c.Leak() != "" {
			t.Error(c.Leak())
		}
	})
}

func TestP11KitCanary(t *testing.T) {
	_, token := remote(t)
	if c := probe(t, token, signer.ECDSAP256); c.Leak() != "" {
		t.Error(c.Leak())
	}
}

func TestOpencryptokiCanary(t *testing.T) {
	if c := probe(t, pkcs11test.Opencryptoki(t), signer.RSA2048); c.Leak() != "" {
		t.Error(c.Leak())
	}
}

// TestNSSCanary: softokn gives a key that "cannot be extracted" out in clear.
func TestNSSCanary(t *testing.T) {
	each(t, func(t *testing.T, a signer.Algorithm) {
		c := probe(t, pkcs11test.NSS(t), a)
		if !strings.Contains(leaks(c), "wrap") || c.Attributes["CKA_LOCAL"] != isFalse {
			t.Errorf("leaks %q, trials %v, attributes %v", c.Leak(), c.Trials, c.Attributes)
		}
	})
}

// TestTPM2Canary: a finished key can be declared extractable.
func TestTPM2Canary(t *testing.T) {
	each(t, func(t *testing.T, a signer.Algorithm) {
		if c := probe(t, pkcs11test.TPM2(t, "tpm").Tokens[0], a); !strings.Contains(leaks(c), "set CKA_EXTRACTABLE to true") {
			t.Errorf("leaks %q, trials %v", c.Leak(), c.Trials)
		}
	})
}
