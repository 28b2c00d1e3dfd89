//go:build cgo

package pkcs11

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/miekg/pkcs11"

	"officiant/signer/pkcs11/module"
)

// callError is what a PKCS#11 function answered.
type callError struct {
	function string
	code     pkcs11.Error
}

func (e *callError) Error() string {
	name := codeName(e.code)
	if m, ok := meaning[uint(e.code)]; ok {
		return fmt.Sprintf("%s: %s (%s; %s)", e.function, name, m.is, m.next)
	}
	return e.function + ": " + name
}

// called names the function that a code came from; other errors of a module
// name it themselves.
func called(function string, err error) error {
	if code, ok := err.(pkcs11.Error); ok {
		return &callError{function, code}
	}
	return err
}

// isAnswer reports whether err is what a module answered, and so not that it
// does not answer.
func isAnswer(err error) bool {
	var e *callError
	return errors.As(err, &e)
}

// failed reports whether the module itself is of no more use: it hangs, has
// ended, or answers what makes no sense.
func failed(err error) bool {
	var ended *module.Ended
	var nonsense *module.Nonsense
	return left(err) || errors.As(err, &ended) || errors.As(err, &nonsense)
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
	if name := unnamed[uint(code)]; name != "" {
		return name
	}
	if code >= pkcs11.CKR_VENDOR_DEFINED {
		return fmt.Sprintf("0x%X, a code of the token's maker", uint(code))
	}
	return fmt.Sprintf("0x%X", uint(code))
}

// answer is what a return code means, and what to do next.
type answer struct{ is, next string }

// meaning has the codes that people meet.
var meaning = map[uint]answer{
	// The computer and the module.
	pkcs11.CKR_HOST_MEMORY:                  {"the module is out of memory", "end other programs, or choose another algorithm: some modules say this of a key they cannot make"},
	pkcs11.CKR_GENERAL_ERROR:                {"the module does not say why", "look into the log of the module or its service"},
	pkcs11.CKR_FUNCTION_FAILED:              {"the module does not say why", "look into the log of the module or its service"},
	pkcs11.CKR_ARGUMENTS_BAD:                {"the module does not take what it was given", "check that it is the right module for this token, and configured"},
	pkcs11.CKR_FUNCTION_NOT_SUPPORTED:       {"the module cannot do this", "look for a newer one from the token's maker"},
	pkcs11.CKR_CRYPTOKI_NOT_INITIALIZED:     {"the module was finalized by other code in this process", "run the command again"},
	pkcs11.CKR_CRYPTOKI_ALREADY_INITIALIZED: {"other code in this process uses the module", "name each token's module by one path only"},
	// The token and its slot.
	pkcs11.CKR_DEVICE_ERROR:          {"the token or its connection failed", "check cable, network and service, then run the command again"},
	pkcs11.CKR_DEVICE_MEMORY:         {"the token is full", "remove keys that are not needed, with the maker's tools"},
	pkcs11.CKR_DEVICE_REMOVED:        {"the token was taken out", "put it back and run the command again"},
	pkcs11.CKR_TOKEN_NOT_PRESENT:     {"no token in the slot", "put the token in and run the command again"},
	pkcs11.CKR_TOKEN_NOT_RECOGNIZED:  {"the module does not know this token", "name the module of the token's maker"},
	pkcs11.CKR_TOKEN_WRITE_PROTECTED: {"the token is write-protected", "lift that with the maker's tools; keys that exist can be used"},
	pkcs11.CKR_SLOT_ID_INVALID:       {"the slot is gone", "connect the token's reader again and run the command again"},
	// Sessions and the login.
	pkcs11.CKR_SESSION_COUNT:            {"no more sessions", "end other programs that use the token"},
	pkcs11.CKR_SESSION_HANDLE_INVALID:   {"the token was reset", "run the command again"},
	pkcs11.CKR_SESSION_CLOSED:           {"the token was reset", "run the command again"},
	pkcs11.CKR_OPERATION_ACTIVE:         {"the session is still busy with an earlier call", "run the command again"},
	pkcs11.CKR_USER_NOT_LOGGED_IN:       {"the login is gone", "run the command again and enter the PIN anew"},
	pkcs11.CKR_USER_ALREADY_LOGGED_IN:   {"other code in this process is logged in", "run the command on its own"},
	pkcs11.CKR_USER_TOO_MANY_TYPES:      {"another role is logged in", "end the maker's tools and run the command again"},
	pkcs11.CKR_USER_PIN_NOT_INITIALIZED: {"the token has no user PIN yet", "have its security officer set one"},
	pkcs11.CKR_FUNCTION_CANCELED:        {"given up at the token", "run the command again"},
	pkcs11.CKR_USER_TYPE_INVALID:        {"the token does not know this kind of login", "use a key without CKA_ALWAYS_AUTHENTICATE: the token does not hold to it"},
	// PINs.
	pkcs11.CKR_PIN_INCORRECT: {"wrong PIN", "find the right one before you try again"},
	pkcs11.CKR_PIN_INVALID:   {"the PIN has characters the token does not take", "check the keyboard's layout, or the pin-source"},
	pkcs11.CKR_PIN_LEN_RANGE: {"the PIN is too short or too long", "check that it is this token's PIN"},
	pkcs11.CKR_PIN_EXPIRED:   {"the PIN has to be changed first", "change it with the maker's tools"},
	pkcs11.CKR_PIN_LOCKED:    {"too many wrong PINs", "have the security officer set a new one, or wait where the token's maker says that the lock ends by itself"},
	// Keys, and what is done with them.
	pkcs11.CKR_OBJECT_HANDLE_INVALID:      {"the key is gone", "find out who else works on the token, then run the command again"},
	pkcs11.CKR_KEY_HANDLE_INVALID:         {"the key is gone", "find out who else works on the token, then run the command again"},
	pkcs11.CKR_KEY_FUNCTION_NOT_PERMITTED: {"the key may not sign", "name a key that was made for signing"},
	pkcs11.CKR_KEY_TYPE_INCONSISTENT:      {"the key is of another type", "name another key"},
	pkcs11.CKR_KEY_SIZE_RANGE:             {"not for keys of this size", "choose another algorithm"},
	pkcs11.CKR_DATA_LEN_RANGE:             {"the digest is too long for the key", "choose a shorter hash or a larger key"},
	pkcs11.CKR_MECHANISM_INVALID:          {"the token cannot do this", "choose another algorithm"},
	pkcs11.CKR_MECHANISM_PARAM_INVALID:    {"the token cannot do this", "choose another algorithm"},
	pkcs11.CKR_CURVE_NOT_SUPPORTED:        {"the token does not know the curve", "choose another algorithm"},
	pkcs11.CKR_TEMPLATE_INCONSISTENT:      {"the token refuses these attributes together", "look into the maker's list of attributes, or choose another algorithm"},
	pkcs11.CKR_ATTRIBUTE_TYPE_INVALID:     {"the token does not know an attribute", "look for newer firmware or a newer module"},
	pkcs11.CKR_ATTRIBUTE_VALUE_INVALID:    {"the token refuses an attribute's value", "look into the maker's list of attributes, or choose another algorithm"},
	pkcs11.CKR_ATTRIBUTE_READ_ONLY:        {"the token does not let an attribute be set", "look into the maker's list of attributes"},
	actionProhibited:                      {"the token's policy forbids it", "look at the token's policy with the maker's tools"},
}

// actionProhibited is CKR_ACTION_PROHIBITED of PKCS #11 v2.40.
const actionProhibited = 0x1B

// unnamed are the codes that miekg/pkcs11 prints no name of.
var unnamed = map[uint]string{
	actionProhibited:               "CKR_ACTION_PROHIBITED",
	pkcs11.CKR_CURVE_NOT_SUPPORTED: "CKR_CURVE_NOT_SUPPORTED",
}

// gone are the codes after which a token cannot be worked with any more.
var gone = []uint{
	pkcs11.CKR_DEVICE_ERROR, pkcs11.CKR_DEVICE_REMOVED, pkcs11.CKR_TOKEN_NOT_PRESENT, pkcs11.CKR_TOKEN_NOT_RECOGNIZED,
	pkcs11.CKR_SESSION_HANDLE_INVALID, pkcs11.CKR_SESSION_CLOSED, pkcs11.CKR_OBJECT_HANDLE_INVALID,
	pkcs11.CKR_KEY_HANDLE_INVALID, pkcs11.CKR_USER_NOT_LOGGED_IN, pkcs11.CKR_CRYPTOKI_NOT_INITIALIZED,
	pkcs11.CKR_SLOT_ID_INVALID,
}

// away reports whether err tells that the token is gone, and not just an object.
func away(err error) bool {
	return failed(err) || isCode(err, gone...) &&
		!isCode(err, pkcs11.CKR_OBJECT_HANDLE_INVALID, pkcs11.CKR_KEY_HANDLE_INVALID)
}
