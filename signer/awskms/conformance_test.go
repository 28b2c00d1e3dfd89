package awskms

import (
	"context"
	"testing"
	"time"

	"officiant/signer"
	"officiant/signer/awskms/awskmstest"
	"officiant/signer/signertest"
)

// newKMS starts a KMS and sets the environment that the SDK's chain reads.
func newKMS(t *testing.T) *awskmstest.Server {
	t.Helper()
	server := awskmstest.New(t)
	server.Setenv(t)
	return server
}

// quick and soon are the limits of stores that are to wait little between tries,
// and to give up.
var (
	quick = limits{request: 30 * time.Second, pause: 10 * time.Millisecond, retry: 100 * time.Millisecond}
	soon  = limits{request: 700 * time.Millisecond, pause: 10 * time.Millisecond, retry: 100 * time.Millisecond}
)

// opened is a store on server.
func opened(t *testing.T, server *awskmstest.Server, l limits) *store {
	t.Helper()
	s, err := open(t.Context(), signer.Ref{URI: server.URI(""), Label: "demo/root"}, l)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestConformance(t *testing.T) {
	signertest.Run(t, func(t *testing.T) (signer.Store, func(string) signer.Ref) {
		server := newKMS(t)
		ref := func(label string) signer.Ref { return signer.Ref{URI: server.URI(""), Label: label} }
		s, err := Open(t.Context(), ref("demo/root"), nil)
		if err != nil {
			t.Fatal(err)
		}
		return s, ref
	}, signer.Algorithms()...)
}

// TestConformanceByAlias does so where the URI names the alias.
func TestConformanceByAlias(t *testing.T) {
	signertest.Run(t, func(t *testing.T) (signer.Store, func(string) signer.Ref) {
		server := newKMS(t)
		ref := func(label string) signer.Ref { return signer.Ref{URI: server.URI("alias/pki/" + label), Label: label} }
		s, err := Open(t.Context(), ref("demo/root"), func(context.Context, signer.Device) ([]byte, error) {
			t.Error("asked for a PIN")
			return nil, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return s, ref
	}, signer.ECDSAP256)
}
