//go:build tokens && cgo

package pkcs11

import (
	"bytes"
	"context"
	"os"
	"testing"

	"officiant/signer"
	"officiant/signer/pkcs11/pkcs11test"
	"officiant/signer/signertest"
)

// entry answers with a token's PIN.
func entry(token pkcs11test.Token) signer.PINFunc {
	return func(context.Context, signer.Device) ([]byte, error) { return bytes.Clone([]byte(token.PIN)), nil }
}

func named(token pkcs11test.Token, label string) signer.Ref {
	return signer.Ref{URI: token.URI(), Label: label}
}

// enter opens a token until the test's end.
func enter(t *testing.T, token pkcs11test.Token) *store {
	t.Helper()
	s, err := Open(t.Context(), named(token, ""), entry(token))
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

// conforms holds a maker's token to the suite of all backends.
func conforms(t *testing.T, make func(*testing.T) pkcs11test.Token, algorithms ...signer.Algorithm) {
	t.Helper()
	signertest.Run(t, func(t *testing.T) (signer.Store, func(string) signer.Ref) {
		token := make(t)
		return enter(t, token), func(label string) signer.Ref { return named(token, label) }
	}, algorithms...)
}

func TestOpencryptokiConformance(t *testing.T) {
	conforms(t, func(t *testing.T) pkcs11test.Token { return pkcs11test.Opencryptoki(t) }, signer.RSA2048, signer.RSA3072, signer.RSA4096)
}

func TestTPM2Conformance(t *testing.T) {
	conforms(t, func(t *testing.T) pkcs11test.Token { return pkcs11test.TPM2(t, "tpm").Tokens[0] },
		signer.ECDSAP256, signer.ECDSAP384, signer.RSA2048, signer.RSA3072)
}

func TestNSSConformance(t *testing.T) {
	conforms(t, func(t *testing.T) pkcs11test.Token { return pkcs11test.NSS(t) },
		signer.ECDSAP256, signer.ECDSAP384, signer.ECDSAP521, signer.RSA2048, signer.RSA3072, signer.RSA4096)
}

func TestP11KitConformance(t *testing.T) {
	conforms(t, func(t *testing.T) pkcs11test.Token { _, token := remote(t); return token },
		signer.ECDSAP256, signer.ECDSAP384, signer.ECDSAP521, signer.RSA2048, signer.RSA3072, signer.RSA4096)
}

// remote is a SoftHSM token behind a server.
func remote(t *testing.T) (*pkcs11test.Remote, pkcs11test.Token) {
	t.Helper()
	r := newRoom(t, "officiant-root")
	server := pkcs11test.P11Kit(t, r.module, "officiant-root", "SOFTHSM2_CONF="+os.Getenv("SOFTHSM2_CONF"))
	return server, pkcs11test.Token{Module: server.Module, Label: "officiant-root", PIN: r.pin}
}
