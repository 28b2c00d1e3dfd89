//go:build tokens && cgo && !airgap

package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"officiant/ceremony"
	"officiant/ceremony/ceremonytest"
	"officiant/ceremony/station"
	"officiant/signer"
	"officiant/signer/pkcs11"
	"officiant/signer/pkcs11/pivcard"
	"officiant/signer/pkcs11/pkcs11test"
)

// yubiKeyRoot is a ceremony that makes its root in slot 9c of a YubiKey, whose maker's root
// is the card's own.
func yubiKeyRoot(t *testing.T, y *pkcs11test.YubiKey) ceremony.Config {
	t.Helper()
	f := ceremonytest.New(t, ceremonytest.Shape{Workers: 1})
	dir := t.TempDir()
	secret := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return "file:" + file
	}
	text, err := os.ReadFile(f.Station)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "  root:") {
			line = "  root: \"" + y.URI(2) + "&pin-source=" + secret("pin", y.PIN) + "&so-pin-source=" +
				secret("management-key", hex.EncodeToString(y.ManagementKey)) + "\"\n"
		}
		lines = append(lines, line)
	}
	if err := os.WriteFile(f.Station, []byte(strings.Join(lines, "")), 0o644); err != nil {
		t.Fatal(err)
	}
	replace(t, f.PlanFile, "name: root, key: {create: ECDSA-P384}, evidence: software",
		"name: root, key: {create: ECDSA-P384}, evidence: attested")
	cfg := f.Config(t, filepath.Join(t.TempDir(), "ceremony"))
	if cfg.Station, err = station.Open(f.Station); err != nil {
		t.Fatal(err)
	}
	tokens := pkcs11.Options{Roots: []*x509.Certificate{y.Root()}}
	cfg.Open = func(ctx context.Context, ref signer.Ref, ask signer.PINFunc) (signer.Store, error) {
		return tokens.Open(ctx, ref, ask)
	}
	return cfg
}

// TestYubiKeyRoot: a ceremony makes its root in a YubiKey, attested, and neither PIN nor
// management key is in what it leaves.
func TestYubiKeyRoot(t *testing.T) {
	y := pkcs11test.PIV(t, 12345678)
	cfg := yubiKeyRoot(t, y)
	if _, err := placed(t.Context(), cfg.Plan, cfg.Station, cfg.Plan.KeysNeeded(), reach{}.place); err != nil {
		t.Fatal(err)
	}
	if _, err := ceremony.Run(t.Context(), cfg); err != nil { // its last step is the audit
		t.Fatal(err)
	}
	root := keysOf(t, cfg.Dir)["root"]
	if root.Grade != "attested" || !root.Made || root.Token.Serial != "12345678" || root.Label != "demo/root" ||
		root.Attributes["CKA_ID"] != "0x02" || root.Attributes["attestation.pin-policy"] != "always" ||
		root.Attributes["attestation.serial"] != "12345678" || root.Attributes["attestation.touch-policy"] != "never" {
		t.Errorf("%+v", root)
	}
	err := filepath.WalkDir(cfg.Dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if bytes.Contains(content, []byte(hex.EncodeToString(y.ManagementKey))) {
			t.Errorf("%s has the management key", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestYubiKeyKilled: the card is pulled when it has made the key and has not said so. The
// same ceremony finds the key in its slot, and makes no other.
func TestYubiKeyKilled(t *testing.T) {
	y := pkcs11test.PIV(t, 12345678)
	cfg := yubiKeyRoot(t, y)
	card := y.Card
	card.After(pivcard.Generate, card.Pull)
	if _, err := ceremony.Run(t.Context(), cfg); !errors.Is(err, signer.ErrUnavailable) {
		t.Fatalf("pulled: %v", err)
	}
	if _, made := keysOf(t, cfg.Dir)["root"]; made {
		t.Fatal("the key is on record")
	}
	y.Reinsert(t, card)
	if _, err := placed(t.Context(), cfg.Plan, cfg.Station, cfg.Plan.KeysNeeded(), reach{}.place); err != nil {
		t.Fatal(err)
	}
	if _, err := ceremony.Run(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if root := keysOf(t, cfg.Dir)["root"]; root.Grade != "attested" || card.Seen(pivcard.Generate) != 1 {
		t.Errorf("%d keys were made; %+v", card.Seen(pivcard.Generate), root)
	}
}

// TestYubiKeyOccupied: what is in the slot is a finding before anybody enters a PIN.
func TestYubiKeyOccupied(t *testing.T) {
	y := pkcs11test.PIV(t, 12345678)
	cfg := yubiKeyRoot(t, y)
	made, err := y.Make(0x9c)
	if err != nil {
		t.Fatal(err)
	}
	var refused *ceremony.Refused
	if _, err := placed(t.Context(), cfg.Plan, cfg.Station, cfg.Plan.KeysNeeded(), reach{}.place); !errors.As(err,
		&refused) || !strings.Contains(err.Error(), "the slot has a key, public key ") {
		t.Errorf("check: %v", err)
	}
	if _, err := ceremony.Run(t.Context(), cfg); !errors.As(err, &refused) ||
		!strings.Contains(err.Error(), "already in its token") ||
		!strings.Contains(err.Error(), "name an empty slot in the station (id=)") {
		t.Errorf("run: %v", err)
	}
	if y.Public(0x9c) != made || y.Seen(pivcard.Generate) != 0 || y.Seen(pivcard.PutData) != 0 {
		t.Error("the slot was written to")
	}
}
