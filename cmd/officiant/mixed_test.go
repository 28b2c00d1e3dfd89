//go:build !airgap

package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"officiant/ceremony"
	"officiant/ceremony/ceremonytest"
	"officiant/ceremony/schedule"
	"officiant/ceremony/station"
	"officiant/ceremony/transcript"
	"officiant/signer"
	"officiant/signer/awskms/awskmstest"
	"officiant/signer/gcpkms/gcpkmstest"
)

// mixed is a ceremony whose kubernetes authority lives in amazon, etcd in google,
// and the rest on two tokens.
func mixed(t *testing.T, amazon *awskmstest.Server, google *gcpkmstest.Fake) (dir string, cfg ceremony.Config) {
	t.Helper()
	f := ceremonytest.New(t, ceremonytest.Shape{Workers: 1})
	text, err := os.ReadFile(f.Station)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "station.yaml")
	keys := "keys:\n  kubernetes: \"" + amazon.URI("") + "\"\n  etcd: \"" + google.Ring("demo") + "\"\n"
	if err := os.WriteFile(path, []byte(strings.Replace(string(text), "keys:\n", keys, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(t.TempDir(), "ceremony")
	cfg = f.Config(t, dir)
	cfg.Open = reach{}.open
	if cfg.Station, err = station.Open(path); err != nil {
		t.Fatal(err)
	}
	if _, err := placed(t.Context(), cfg.Plan, cfg.Station, cfg.Plan.KeysNeeded(), reach{}.place); err != nil {
		t.Fatal(err)
	}
	return dir, cfg
}

// TestMixedBackends runs one ceremony whose root lives on a token, the
// kubernetes authority in AWS KMS, etcd in Google Cloud KMS, and the rest on a
// second token.
func TestMixedBackends(t *testing.T) {
	amazon, google := awskmstest.New(t), gcpkmstest.New(t)
	amazon.Setenv(t)
	dir, cfg := mixed(t, amazon, google)
	// The run's last step is the audit.
	if _, err := ceremony.Run(context.Background(), cfg); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "transcript.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	record, err := transcript.Read("transcript.jsonl", data)
	if err != nil {
		t.Fatal(err)
	}
	lives := map[string]string{}
	for _, l := range record.Lines {
		if k, ok := l.Record.(transcript.Key); ok {
			lives[k.Name] = k.Token.Backend
			if k.Name == "etcd" && (k.Attributes["attestation.content"] == "" || k.Attributes["attestation.caviumCerts"] == "") {
				t.Error("the attestation of the etcd key is not in the transcript")
			}
		}
	}
	for name, backend := range map[string]string{
		"root": "pkcs11", "kubernetes": "awskms", "etcd": "gcpkms", "front-proxy": "pkcs11", "release": "pkcs11",
	} {
		if lives[name] != backend {
			t.Errorf("the %s key lives in %q, want %s", name, lives[name], backend)
		}
	}
}

// TestBadAttestation: a ceremony refuses a key whose HSM says that it can leave,
// before anything is signed with it.
func TestBadAttestation(t *testing.T) {
	amazon, google := awskmstest.New(t), gcpkmstest.New(t)
	amazon.Setenv(t)
	_, cfg := mixed(t, amazon, google)
	google.Break(gcpkmstest.AttestExtractable)
	_, err := ceremony.Run(context.Background(), cfg)
	var refused *ceremony.Refused
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), `evidence for the etcd key is "unproven"`) || !strings.Contains(err.Error(), "CKA_EXTRACTABLE") {
		t.Errorf("%v", err)
	}
	if n := google.Calls("AsymmetricSign"); n > 0 {
		t.Errorf("it signed %d times", n)
	}
}

// TestKMSAskedFor: a KMS that cannot be reached when its turn comes is asked for in one
// sentence, and the ceremony goes on when it can; where nobody is, that is the error.
func TestKMSAskedFor(t *testing.T) {
	amazon, google := awskmstest.New(t), gcpkmstest.New(t)
	amazon.Setenv(t)
	t.Setenv("AWS_MAX_ATTEMPTS", "1")
	dir, cfg := mixed(t, amazon, google)
	reached, asked := false, 0
	open := cfg.Open
	cfg.Open = func(ctx context.Context, ref signer.Ref, ask signer.PINFunc) (signer.Store, error) {
		if !reached {
			ref.URI = strings.Replace(ref.URI, amazon.Endpoint(), "https://127.0.0.1:1", 1)
		}
		return open(ctx, ref, ask)
	}
	if _, err := ceremony.Run(context.Background(), cfg); !errors.Is(err, signer.ErrUnavailable) ||
		!strings.Contains(err.Error(), "let this machine reach KMS awskms:") {
		t.Errorf("nobody is there: %v", err)
	}
	cfg.Plan, cfg.Insert = planIn(t, dir), func(_ context.Context, words string) (string, error) {
		if !strings.HasPrefix(words, "let this machine reach KMS awskms:") || !strings.HasSuffix(words, "kubernetes") {
			t.Errorf("asked for: %s", words)
		}
		asked++
		reached = asked > 1
		return "", nil
	}
	if _, err := ceremony.Run(context.Background(), cfg); err != nil {
		t.Fatal(err)
	}
	if asked != 2 {
		t.Errorf("asked %d times", asked)
	}
}

// planIn reads the plan of a directory again: a run takes it over.
func planIn(t *testing.T, dir string) *schedule.Ceremony {
	t.Helper()
	c, err := schedule.Open(filepath.Join(dir, "plan.yaml"), schedule.Options{Now: time.Now()})
	must(t, err)
	return c
}
