package ceremony_test

import (
	"context"
	"crypto/ecdsa"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"officiant/bundle"
	"officiant/bundle/seal"
	"officiant/ceremony"
	"officiant/ceremony/ceremonytest"
)

// TestKilledWhileNodeKeysAreMade kills the process at each operation around the
// sealed file and its line: whatever was certified is what can be opened.
func TestKilledWhileNodeKeysAreMade(t *testing.T) {
	f := ceremonytest.New(t, ceremonytest.Shape{Appliances: 1})
	whole := &killer{}
	dir := filepath.Join(t.TempDir(), "whole")
	if _, err := ceremony.Run(context.Background(), mortal(f.Config(t, dir), whole)); err != nil {
		t.Fatal(err)
	}
	opensWhatWasCertified(t, f, dir)
	sealed := slices.IndexFunc(whole.events, func(e string) bool { return strings.HasSuffix(e, "appliance-1.keys.age") })
	if sealed < 0 {
		t.Fatalf("no event is about the sealed keys: %q", whole.events)
	}
	for at := sealed - 3; at <= sealed+9; at++ {
		t.Run(fmt.Sprintf("%03d %s", at, whole.events[at-1]), func(t *testing.T) {
			f.Tokens(t)
			dir := killedAt(t, f, at)
			if _, err := ceremony.Run(context.Background(), f.Config(t, dir)); err != nil {
				t.Fatalf("resume: %v", err)
			}
			opensWhatWasCertified(t, f, dir)
		})
	}
}

// TestSealedFileChanged: a ceremony that goes on takes no sealed file but the one
// its record names, and signs nothing more.
func TestSealedFileChanged(t *testing.T) {
	f := ceremonytest.New(t, ceremonytest.Shape{Appliances: 1})
	events := eventsOf(t, f)
	for _, file := range []string{"secrets/appliance-1.keys.age", "secrets/sa.key.age"} {
		t.Run(file, func(t *testing.T) {
			f.Tokens(t)
			at := slices.IndexFunc(events, func(e string) bool { return strings.HasSuffix(e, filepath.Base(file)) })
			for range 2 { // two signatures after it, so its line is on record
				at += 1 + slices.IndexFunc(events[at+1:], func(e string) bool {
					return strings.HasPrefix(e, "before sign ")
				})
			}
			dir := killedAt(t, f, at+1)
			if err := os.WriteFile(filepath.Join(dir, file), []byte("another"), 0o644); err != nil {
				t.Fatal(err)
			}
			intents := func() int {
				record, err := os.ReadFile(filepath.Join(dir, "transcript.jsonl"))
				if err != nil {
					t.Fatal(err)
				}
				return strings.Count(string(record), `"type":"intent"`)
			}
			before := intents()
			_, err := ceremony.Run(context.Background(), f.Config(t, dir))
			if err == nil || !strings.Contains(err.Error(), file+": SHA-256 ") || !strings.Contains(err.Error(), "the record says") {
				t.Errorf("%v", err)
			}
			if n := intents(); before == 0 || n != before {
				t.Errorf("%d intents of certificates, %d before", n, before)
			}
		})
	}
}

func opensWhatWasCertified(t *testing.T, f *ceremonytest.Fixture, dir string) {
	t.Helper()
	b, err := bundle.Open(filepath.Join(dir, "bundles", "appliance-1"))
	if err != nil {
		t.Fatal(err)
	}
	secret, err := seal.Open(f.Identities["appliance-1"], b.Files[bundle.KeysFile])
	if err != nil {
		t.Fatal(err)
	}
	keys, err := bundle.UnpackKeys(secret)
	if err != nil {
		t.Fatal(err)
	}
	certificates, err := b.LeafCertificates()
	if err != nil {
		t.Fatal(err)
	}
	if len(certificates) != 1 || len(keys) != 1 {
		t.Errorf("%d certificates, %d keys", len(certificates), len(keys))
	}
	for name, c := range certificates {
		if k, ok := keys[name]; !ok || !k.Public().(*ecdsa.PublicKey).Equal(c.PublicKey) {
			t.Errorf("the key of %s is not that of its certificate", name)
		}
	}
}
