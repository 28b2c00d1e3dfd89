//go:build cgo

package pkcs11

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/miekg/pkcs11"
)

// callError is what a PKCS#11 function answered.
type callError struct {
	function string
	code     pkcs11.Error
}

func (e *callError) Error() string {
	name := codeName(e.code)
	if m := meaning[uint(e.code)]; m != "" {
		return fmt.Sprintf("%s: %s (%s)", e.function, name, m)
	}
	return e.function + ": " + name
}

// called names the function an error of miekg/pkcs11 came from.
func called(function string, err error) error {
	var code pkcs11.Error
	if errors.As(err, &code) {
		return &callError{function, code}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", function, err)
	}
	return nil
}

// isCode reports whether err is one of the PKCS#11 return codes.
func isCode(err error, codes ...uint) bool {
	var e *callError
	return errors.As(err, &e) && slices.Contains(codes, uint(e.code))
}

// codeName is the name of a return code, or its number.
func codeName(code pkcs11.Error) string {
	text := code.Error() // "pkcs11: 0xA0: CKR_PIN_INCORRECT"
	if name := text[strings.LastIndex(text, " ")+1:]; strings.HasPrefix(name, "CKR_") {
		return name
	}
	if code == 0x1B {
		return "CKR_ACTION_PROHIBITED"
	}
	if code >= pkcs11.CKR_VENDOR_DEFINED {
		return fmt.Sprintf("0x%X, a code of the token's maker", uint(code))
	}
	return fmt.Sprintf("0x%X", uint(code))
}

// meaning says in words what the codes mean that people meet.
var meaning = map[uint]string{
	pkcs11.CKR_HOST_MEMORY:                  "the module is out of memory",
	pkcs11.CKR_GENERAL_ERROR:                "the module does not say why",
	pkcs11.CKR_FUNCTION_FAILED:              "the module does not say why",
	pkcs11.CKR_DEVICE_ERROR:                 "the token or its connection failed",
	pkcs11.CKR_DEVICE_MEMORY:                "the token is full",
	pkcs11.CKR_DEVICE_REMOVED:               "the token was taken out",
	pkcs11.CKR_TOKEN_NOT_PRESENT:            "no token in the slot",
	pkcs11.CKR_TOKEN_NOT_RECOGNIZED:         "the module does not know this token",
	pkcs11.CKR_TOKEN_WRITE_PROTECTED:        "the token is write-protected",
	pkcs11.CKR_SESSION_COUNT:                "no more sessions",
	pkcs11.CKR_SESSION_HANDLE_INVALID:       "the token was reset",
	pkcs11.CKR_SESSION_CLOSED:               "the token was reset",
	pkcs11.CKR_OBJECT_HANDLE_INVALID:        "the key is gone",
	pkcs11.CKR_KEY_HANDLE_INVALID:           "the key is gone",
	pkcs11.CKR_KEY_FUNCTION_NOT_PERMITTED:   "the key may not sign",
	pkcs11.CKR_KEY_SIZE_RANGE:               "not for keys of this size",
	pkcs11.CKR_DATA_LEN_RANGE:               "the digest is too long for the key",
	pkcs11.CKR_MECHANISM_INVALID:            "the token cannot do this",
	pkcs11.CKR_MECHANISM_PARAM_INVALID:      "the token cannot do this",
	pkcs11.CKR_TEMPLATE_INCONSISTENT:        "the token refuses these attributes together",
	pkcs11.CKR_ATTRIBUTE_TYPE_INVALID:       "the token does not know an attribute",
	pkcs11.CKR_ATTRIBUTE_VALUE_INVALID:      "the token refuses an attribute's value",
	pkcs11.CKR_PIN_INCORRECT:                "wrong PIN",
	pkcs11.CKR_PIN_INVALID:                  "the PIN has characters the token does not take",
	pkcs11.CKR_PIN_LEN_RANGE:                "the PIN is too short or too long",
	pkcs11.CKR_PIN_EXPIRED:                  "the PIN has to be changed first",
	pkcs11.CKR_PIN_LOCKED:                   "too many wrong PINs",
	pkcs11.CKR_USER_NOT_LOGGED_IN:           "the login is gone",
	pkcs11.CKR_USER_ALREADY_LOGGED_IN:       "other code in this process is logged in",
	pkcs11.CKR_USER_PIN_NOT_INITIALIZED:     "the token has no user PIN yet",
	pkcs11.CKR_CRYPTOKI_NOT_INITIALIZED:     "the module was finalized by other code in this process",
	pkcs11.CKR_CRYPTOKI_ALREADY_INITIALIZED: "other code in this process uses the module",
}

// gone are the codes after which a token cannot be worked with any more.
var gone = []uint{
	pkcs11.CKR_DEVICE_ERROR, pkcs11.CKR_DEVICE_REMOVED, pkcs11.CKR_TOKEN_NOT_PRESENT, pkcs11.CKR_TOKEN_NOT_RECOGNIZED,
	pkcs11.CKR_SESSION_HANDLE_INVALID, pkcs11.CKR_SESSION_CLOSED, pkcs11.CKR_OBJECT_HANDLE_INVALID,
	pkcs11.CKR_KEY_HANDLE_INVALID, pkcs11.CKR_USER_NOT_LOGGED_IN, pkcs11.CKR_CRYPTOKI_NOT_INITIALIZED,
	pkcs11.CKR_SLOT_ID_INVALID,
}
