//go:build !airgap

package main

import (
	"errors"
	"strings"
	"testing"

	"officiant/signer"
	"officiant/signer/awskms/awskmstest"
)

// TestAWSKMS reaches AWS KMS by the table, as the commands do.
func TestAWSKMS(t *testing.T) {
	server := awskmstest.New(t)
	server.Setenv(t)
	ref := signer.Ref{URI: server.URI(""), Label: "demo/kubernetes"}
	b, err := reach{}.backend(ref)
	if err != nil {
		t.Fatal(err)
	}
	spec := signer.Spec{Algorithm: signer.ECDSAP384}
	if err := b.Supports(ref, spec); err != nil || b.Module != nil {
		t.Errorf("%v, or it has a module", err)
	}
	if err := b.Supports(signer.Ref{URI: ref.URI, Label: "demo.example/root"}, spec); !errors.Is(err, signer.ErrUnsupported) {
		t.Errorf("a label that is no alias: %v", err)
	}
	store, err := reach{}.open(t.Context(), ref, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	k, err := store.Create(t.Context(), ref, spec, signer.ID{1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := signer.Challenge(t.Context(), k, k.Public(), make([]byte, signer.NonceSize)); err != nil {
		t.Error(err)
	}
	if got := k.Info().Attributes["Arn"]; !strings.HasPrefix(got, "arn:aws:kms:"+awskmstest.Region) {
		t.Errorf("ARN %q", got)
	}
}
