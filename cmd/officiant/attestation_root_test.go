package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"officiant/cmd/internal/exit"
	"officiant/signer/attestation"
	"officiant/signer/attestation/roots"
)

// TestAttestationRoots: the files of --attestation-root are certificates and nothing else, and
// the command that follows is given the same ones.
func TestAttestationRoots(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	yubico := file("yubico.pem", string(roots.Yubico))
	one, err := attestationRoots{yubico}.read()
	if err != nil || len(one) == 0 {
		t.Fatalf("%d roots, %v", len(one), err)
	}
	if two, err := (attestationRoots{yubico, yubico}).read(); err != nil || len(two) != 2*len(one) {
		t.Errorf("two files: %d roots, %v", len(two), err)
	}
	again := attestationRoots{"a.pem", "b.pem"}.again()
	if again != " --attestation-root a.pem --attestation-root b.pem" {
		t.Errorf("again:%s", again)
	}
	for text, says := range map[string]string{
		"": "no certificate in PEM",
		"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n": "where certificates alone belong",
	} {
		bad := file("bad.pem", text)
		var usage *exit.Error
		_, err := attestationRoots{yubico, bad}.read()
		if !errors.As(err, &usage) || usage.Code != exit.Usage || !strings.Contains(err.Error(), bad) ||
			!strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", says, err)
		}
	}
	if rootHint("the YubiKey's is "+attestation.ErrNoRoot.Error()) == nil || rootHint("another reason") != nil {
		t.Error("the hint is not where it helps")
	}
	if _, err := (attestationRoots{filepath.Join(dir, "absent.pem")}).read(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("absent: %v", err)
	}
}
