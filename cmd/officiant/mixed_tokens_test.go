//go:build tokens && cgo && !airgap

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"officiant/ceremony"
	"officiant/ceremony/ceremonytest"
	"officiant/ceremony/station"
	"officiant/ceremony/transcript"
	"officiant/signer"
	"officiant/signer/awskms/awskmstest"
	"officiant/signer/gcpkms/gcpkmstest"
	"officiant/signer/pkcs11/pkcs11test"
)

// TestMixedOpencryptoki keeps the front-proxy authority in the token of a second
// maker, which makes RSA keys alone.
func TestMixedOpencryptoki(t *testing.T) {
	token := pkcs11test.Opencryptoki(t)
	cfg := withToken(t, token, signer.RSA2048, signer.Software)
	if _, err := ceremony.Run(context.Background(), cfg); err != nil { // its last step is the audit
		t.Fatal(err)
	}
	front := keysOf(t, cfg.Dir)["front-proxy"]
	if front.Token.Model != "IBM SoftTok" || front.Grade != string(signer.Software) || front.Algorithm != string(signer.RSA2048) {
		t.Errorf("%+v", front)
	}
}

// TestMixedTPM2: a TPM's key can be declared extractable, as its canary tells.
// It is refused, unless the plan allows it by name.
func TestMixedTPM2(t *testing.T) {
	t.Run("software", func(t *testing.T) {
		cfg := withToken(t, pkcs11test.TPM2(t, "tpm").Tokens[0], signer.ECDSAP256, signer.Software)
		_, err := ceremony.Run(context.Background(), cfg)
		var refused *ceremony.Refused
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), "front-proxy") || !strings.Contains(err.Error(), "set CKA_EXTRACTABLE to true: accepted") {
			t.Fatalf("%v", err)
		}
		if _, made := keysOf(t, cfg.Dir)["front-proxy"]; made {
			t.Error("the key was made")
		}
	})
	t.Run("unproven", func(t *testing.T) {
		cfg := withToken(t, pkcs11test.TPM2(t, "tpm").Tokens[0], signer.ECDSAP256, signer.Unproven)
		if _, err := ceremony.Run(context.Background(), cfg); err != nil {
			t.Fatal(err)
		}
		front := keysOf(t, cfg.Dir)["front-proxy"]
		if front.Token.Label != "tpm" || front.Grade != string(signer.Unproven) || !strings.Contains(front.Reason, "CKA_EXTRACTABLE") {
			t.Errorf("%+v", front)
		}
	})
}

// withToken is a ceremony whose root and release keys live in SoftHSM, the kubernetes
// authority in AWS KMS, etcd in Google Cloud KMS, and front-proxy in the token.
func withToken(t *testing.T, token pkcs11test.Token, a signer.Algorithm, evidence signer.Grade) ceremony.Config {
	t.Helper()
	amazon, google := awskmstest.New(t), gcpkmstest.New(t)
	amazon.Setenv(t)
	f := ceremonytest.New(t, ceremonytest.Shape{Workers: 1})
	replace(t, f.PlanFile, "name: front-proxy, key: {create: ECDSA-P256}, evidence: software",
		fmt.Sprintf("name: front-proxy, key: {create: %s}, evidence: %s", a, evidence))
	replace(t, f.Station, "keys:\n", fmt.Sprintf("keys:\n  kubernetes: %q\n  etcd: %q\n  front-proxy: %q\n",
		amazon.URI(""), google.Ring("demo"), token.PINFile(t)))
	cfg := f.Config(t, filepath.Join(t.TempDir(), "ceremony"))
	cfg.Open = reach{}.open
	st, err := station.Open(f.Station)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Station = st
	if _, err := placed(t.Context(), cfg.Plan, cfg.Station, cfg.Plan.KeysNeeded(), reach{}.place); err != nil {
		t.Fatal(err)
	}
	return cfg
}

func replace(t *testing.T, file, old, now string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(string(text), old) != 1 {
		t.Fatalf("%s: not once %q", file, old)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(text), old, now, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
}

// keysOf reads the keys of a ceremony out of its record.
func keysOf(t *testing.T, dir string) map[string]transcript.Key {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "transcript.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	record, err := transcript.Read("transcript.jsonl", data)
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]transcript.Key{}
	for _, l := range record.Lines {
		if k, ok := l.Record.(transcript.Key); ok {
			keys[k.Name] = k
		}
	}
	return keys
}
