package ceremonytest

import (
	"strings"

	"officiant/signer"
)

// Trials are what a token's canary goes through; the token refuses all but those
// whose name begins with leaks.
func Trials(leaks string) []signer.Trial {
	trials := []signer.Trial{
		{Name: "read CKA_VALUE"}, {Name: "copy with CKA_EXTRACTABLE true"}, {Name: "wrap with CKM_AES_KEY_WRAP_PAD"},
		{Name: "set CKA_EXTRACTABLE to true"}, {Name: "set CKA_SENSITIVE to false"},
	}
	for i := range trials {
		t := &trials[i]
		t.Outcome = "CKR_ACTION_PROHIBITED"
		if leaks != "" && strings.HasPrefix(t.Name, leaks) {
			t.Outcome, t.Leaks = "accepted", true
		}
	}
	return trials
}
