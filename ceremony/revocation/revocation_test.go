package revocation_test

import (
	"strings"
	"testing"

	"officiant/ceremony/revocation"
)

// Every name and number is as RFC 5280, 5.3.1 has it.
func TestReasons(t *testing.T) {
	for name, code := range map[revocation.Reason]int{
		"unspecified": 0, "keyCompromise": 1, "cACompromise": 2, "affiliationChanged": 3, "superseded": 4,
		"cessationOfOperation": 5, "certificateHold": 6, "removeFromCRL": 8, "privilegeWithdrawn": 9, "aACompromise": 10,
	} {
		if name.Code() != code || revocation.OfCode(code) != name {
			t.Errorf("%s is %d, and %d is %s", name, name.Code(), code, revocation.OfCode(code))
		}
	}
	if r := revocation.OfCode(7); r != "reason 7" { // RFC 5280 does not use it
		t.Errorf("7 is %s", r)
	}
	for _, r := range revocation.Reasons {
		if err := r.Check(); err != nil {
			t.Error(err)
		}
	}
	for r, want := range map[revocation.Reason]string{
		"unspecified": "says nothing", "certificateHold": "can be undone", "removeFromCRL": "undoes", "aACompromise": "attribute",
		"keycompromise": "keyCompromise, cACompromise", "": "none of RFC 5280's", "reason 7": "none of RFC 5280's",
	} {
		if err := r.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", r, err)
		}
	}
}

func TestParseSerial(t *testing.T) {
	for text, want := range map[string]string{
		"5b2f": "5b2f", "5B2F": "5b2f", "0a": "a", "7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF": "7fffffffffffffffffffffffffffffff", "1234": "1234",
	} {
		if n, err := revocation.ParseSerial(text); err != nil || n.Text(16) != want {
			t.Errorf("%s: %x, %v", text, n, err)
		}
	}
	for _, text := range []string{"", "0", "00", "-1", "+1", "0x1", "1_2", "5b:2f", "g", " 1", strings.Repeat("1", 43)} {
		if n, err := revocation.ParseSerial(text); err == nil {
			t.Errorf("%q: %x", text, n)
		}
	}
}
