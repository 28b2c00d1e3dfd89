//go:build cgo

package pkcs11

import (
	"errors"
	"strings"
	"testing"

	"github.com/miekg/pkcs11"
)

// TestCodeNames: what a person reads of a return code.
func TestCodeNames(t *testing.T) {
	for code, want := range map[uint]string{
		pkcs11.CKR_PIN_INCORRECT:         "C_X: CKR_PIN_INCORRECT (wrong PIN; find the right one before you try again)",
		pkcs11.CKR_DEVICE_REMOVED:        "C_X: CKR_DEVICE_REMOVED (the token was taken out; put it back and run the command again)",
		pkcs11.CKR_NO_EVENT:              "C_X: CKR_NO_EVENT",
		0x1B:                             "C_X: CKR_ACTION_PROHIBITED (the token's policy forbids it; look at the token's policy with the maker's tools)",
		0x4711:                           "C_X: 0x4711",
		pkcs11.CKR_VENDOR_DEFINED | 0x12: "C_X: 0x80000012, a code of the token's maker",
	} {
		if got := called("C_X", pkcs11.Error(code)).Error(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestCodeMeanings: each code that an operator meets says what it is and what
// to do next; so does each after which a token is given up.
func TestCodeMeanings(t *testing.T) {
	met := append([]uint{
		pkcs11.CKR_PIN_LOCKED, pkcs11.CKR_PIN_INCORRECT, pkcs11.CKR_PIN_LEN_RANGE, pkcs11.CKR_PIN_EXPIRED,
		pkcs11.CKR_USER_PIN_NOT_INITIALIZED, pkcs11.CKR_SESSION_COUNT, pkcs11.CKR_OPERATION_ACTIVE,
		pkcs11.CKR_MECHANISM_INVALID, pkcs11.CKR_HOST_MEMORY, pkcs11.CKR_GENERAL_ERROR, pkcs11.CKR_FUNCTION_FAILED,
		pkcs11.CKR_DEVICE_MEMORY, pkcs11.CKR_TOKEN_WRITE_PROTECTED, pkcs11.CKR_ARGUMENTS_BAD,
	}, gone...)
	met = append(met, refusals...)
	for code := range meaning {
		met = append(met, code)
	}
	for _, code := range met {
		m, ok := meaning[code]
		if !ok || m.is == "" || m.next == "" {
			t.Errorf("%s: is %q, next %q", codeName(pkcs11.Error(code)), m.is, m.next)
		}
		text := called("C_X", pkcs11.Error(code)).Error()
		if !strings.HasPrefix(text, "C_X: CKR_") || strings.Contains(text, "(;") {
			t.Errorf("0x%X: %s", code, text)
		}
	}
	if other := errors.New("no code"); !errors.Is(called("C_X", other), other) || isCode(called("C_X", other), met...) {
		t.Error("an error without a code became one")
	}
}
