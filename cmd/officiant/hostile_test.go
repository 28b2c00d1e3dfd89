package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/inventory"
	"officiant/signer"
)

// TestHostileNames: what a token calls itself and its keys, and what a record
// from elsewhere says, adds no line and moves no cursor.
func TestHostileNames(t *testing.T) {
	const bad = "box\npublic key  00 \x1b[2Jok"
	device := signer.Device{Backend: "pkcs11", Label: bad, Serial: bad, Model: bad, Manufacturer: bad, PINFor: bad}
	info := signer.Info{Label: bad, Reason: bad, Device: device, Grade: signer.Unproven, Attributes: map[string]string{"CKA_X": bad}}
	for name, write := range map[string]func(o *options) error{
		"inspect": func(o *options) error { return writeKey(o.Stdout, showKey(info), 200) },
		"list": func(o *options) error {
			s := &signerListOptions{signerOptions: signerOptions{options: o, output: "table"}}
			return s.writeKeys(showToken(device), []signer.Info{info})
		},
		"modules": func(o *options) error {
			s := &signerListOptions{signerOptions: signerOptions{options: o}}
			return s.writeModules([]listedModule{{Path: bad, Tokens: []listedToken{{showToken(device), bad}}}})
		},
		"test": func(o *options) error {
			kept := false
			return (&tested{Token: showToken(device), Key: bad, Kept: &kept, Trials: []testedTrial{{Outcome: bad}}}).write(o.Stdout, 200)
		},
		"PIN": func(o *options) error {
			_, err := o.Stdout.Write([]byte(pinQuestion(device)))
			return err
		},
		"run": func(o *options) error {
			newObserver(&options{Stderr: o.Stdout, Now: o.Now}).Say(bad)
			newObserver(&options{Stderr: o.Stdout, Now: o.Now}).Fingerprint(bad, fingerprint.Of(nil))
			return nil
		},
		"inventory": func(o *options) error {
			i := &inventoryOptions{options: o, output: "table"}
			return i.write(slices.Values([]inventory.Item{{Cluster: bad, Name: bad, Authority: bad}}))
		},
	} {
		var out bytes.Buffer
		must(t, write(&options{Stdout: &out, Now: time.Now}))
		if text := out.String(); strings.Contains(text, "\x1b") || strings.Contains(text, "\npublic key") || !strings.Contains(text, `box\npublic`) {
			t.Errorf("%s:\n%q", name, text)
		}
	}
}
