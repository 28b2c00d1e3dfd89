package audit

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"maps"
	"strings"
	"testing"

	"officiant/ceremony/transcript"
	"officiant/signer"
)

// memoryKey is a signer.Key in memory.
type memoryKey struct{ crypto.Signer }

func (k memoryKey) SignContext(_ context.Context, digest []byte, o crypto.SignerOpts) ([]byte, error) {
	return k.Sign(rand.Reader, digest, o)
}

func (k memoryKey) Info() signer.Info { return signer.Info{} }

// TestChallenge holds our reading of the specification against what signs.
func TestChallenge(t *testing.T) {
	nonce := make([]byte, 32)
	rand.Read(nonce)
	for _, key := range []crypto.Signer{
		must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)),
		must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)),
		must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader)),
		must(rsa.GenerateKey(rand.Reader, 2048)),
	} {
		spki := must(x509.MarshalPKIXPublicKey(key.Public()))
		answer := must(signer.Challenge(context.Background(), memoryKey{key}, key.Public(), nonce))
		name := algorithm(key.Public())
		if string(must(signer.AlgorithmOf(key.Public()))) != name {
			t.Errorf("algorithm %s has another name", name)
		}
		if err := verifyChallenge(spki, nonce, answer); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		other := append([]byte{nonce[0] ^ 1}, nonce[1:]...)
		if verifyChallenge(spki, other, answer) == nil {
			t.Errorf("%s: accepted for another nonce", name)
		}
		if verifyChallenge(spki, nonce[:31], answer) == nil {
			t.Errorf("%s: accepted for a short nonce", name)
		}
		if verifyChallenge(must(x509.MarshalPKIXPublicKey(must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)).Public())), nonce, answer) == nil {
			t.Errorf("%s: accepted for another key", name)
		}
	}
}

func TestEvidence(t *testing.T) {
	good := transcript.Key{Grade: "consistent", Token: transcript.Token{Backend: "pkcs11", Model: "Box"}, Attributes: map[string]string{}}
	for _, c := range claims {
		good.Attributes[c.attribute] = c.value
	}
	problems := func(change func(*transcript.Key)) []string {
		k := good
		k.Attributes = maps.Clone(good.Attributes)
		change(&k)
		var c Check
		evidence(c.problem, keyLine{Key: k})
		return c.Problems
	}
	if got := problems(func(*transcript.Key) {}); len(got) > 0 {
		t.Error(got)
	}
	if got := problems(func(k *transcript.Key) { k.Grade, k.Attributes = "unproven", nil }); len(got) > 0 {
		t.Error(got) // what the plan makes of it is another matter
	}
	for _, claim := range claims {
		for _, value := range []string{"", "absent", "0x02", map[string]string{"true": "false", "false": "true"}[claim.value]} {
			got := problems(func(k *transcript.Key) {
				k.Attributes[claim.attribute] = value
				if value == "" {
					delete(k.Attributes, claim.attribute)
				}
			})
			if len(got) != 1 || !strings.Contains(got[0], claim.attribute) {
				t.Errorf("%s %q: %q", claim.attribute, value, got)
			}
		}
	}
	if got := problems(func(k *transcript.Key) { k.Token.Model = "SoftHSM v2" }); len(got) != 1 {
		t.Errorf("SoftHSM as hardware: %q", got)
	}
}
