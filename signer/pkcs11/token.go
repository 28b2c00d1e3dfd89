//go:build cgo

package pkcs11

import (
	"fmt"
	"strings"

	"github.com/miekg/pkcs11"

	"officiant/signer"
)

// token is a token in its slot. A slot's number holds only while the module
// stays initialized.
type token struct {
	slot uint
	info pkcs11.TokenInfo
}

// find returns the one token a names; signer.ErrAbsent when there is none.
func (l *library) find(a address) (token, error) {
	slots, err := l.ctx.GetSlotList()
	if err := called("C_GetSlotList", err); err != nil {
		return token{}, fmt.Errorf("%w: PKCS#11 module %s: %w", signer.ErrUnavailable, l.path, err)
	}
	var matching, others []token
	var unreadable error
	for _, slot := range slots {
		info, err := l.ctx.GetTokenInfo(slot)
		if err != nil { // another token may be the one
			unreadable = fmt.Errorf("; slot %d: %w", slot, called("C_GetTokenInfo", err))
			continue
		}
		if t := (token{slot, info}); a.matches(info) {
			matching = append(matching, t)
		} else {
			others = append(others, t)
		}
	}
	switch {
	case len(matching) == 1:
		return matching[0], nil
	case len(matching) > 1:
		return token{}, fmt.Errorf("%w: %d tokens with %s in module %s: %s; %s",
			signer.ErrUnavailable, len(matching), a, l.path, list(matching), apart(matching))
	}
	err = fmt.Errorf("%w: no token with %s in module %s, which has: %s", signer.ErrAbsent, a, l.path, list(others))
	if unreadable != nil {
		err = fmt.Errorf("%w%w", err, unreadable)
	}
	if l.isSoftHSM() {
		err = fmt.Errorf("%w; SoftHSM looks in the token directory of the file that SOFTHSM2_CONF names", err)
	}
	return token{}, &absentError{err, others}
}

// absentError is a signer.ErrAbsent that tells which tokens are there instead.
type absentError struct {
	error
	others []token
}

func (e *absentError) Unwrap() error { return e.error }

// Instead names the module's other tokens that are initialized.
func (e *absentError) Instead() []signer.Device {
	var devices []signer.Device
	for _, t := range e.others {
		if t.info.Flags&pkcs11.CKF_TOKEN_INITIALIZED != 0 {
			devices = append(devices, signer.Device{Label: t.info.Label, Serial: t.info.SerialNumber})
		}
	}
	return devices
}

// apart says how one of several tokens is named.
func apart(tokens []token) string {
	for _, by := range []struct {
		name  string
		value func(pkcs11.TokenInfo) string
	}{
		{"serial", func(t pkcs11.TokenInfo) string { return t.SerialNumber }},
		{"token", func(t pkcs11.TokenInfo) string { return t.Label }},
		{"model", func(t pkcs11.TokenInfo) string { return t.Model }},
		{"manufacturer", func(t pkcs11.TokenInfo) string { return t.ManufacturerID }},
	} {
		values := map[string]bool{}
		for _, t := range tokens {
			if v := by.value(t.info); v != "" {
				values[v] = true
			}
		}
		if len(values) == len(tokens) {
			return "name one by its " + map[bool]string{true: "label (token=)", false: by.name}[by.name == "token"]
		}
	}
	return "nothing tells them apart: leave the one that is meant in, take all others out, and run the command again; " +
		"work with one at a time"
}

func (a address) matches(t pkcs11.TokenInfo) bool {
	same := func(want, have string) bool { return want == "" || want == have }
	return same(a.token, t.Label) && same(a.serial, t.SerialNumber) &&
		same(a.model, t.Model) && same(a.manufacturer, t.ManufacturerID)
}

func list(tokens []token) string {
	var names []string
	for _, t := range tokens {
		switch {
		case t.info.Flags&pkcs11.CKF_TOKEN_INITIALIZED == 0:
			names = append(names, "one not initialized")
		default:
			names = append(names, fmt.Sprintf("%q (%s, %s %s)",
				t.info.Label, serial(t.info), t.info.ManufacturerID, t.info.Model))
		}
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// ready refuses a token that cannot hold a key safely.
func (t token) ready() error {
	if why := t.unready(); why != "" {
		return fmt.Errorf("%w: %s: %s", signer.ErrUnavailable, t, why)
	}
	return nil
}

// unready says why a token cannot hold a key safely.
func (t token) unready() string {
	switch flags := t.info.Flags; {
	case flags&pkcs11.CKF_TOKEN_INITIALIZED == 0:
		return "it is not initialized"
	case flags&pkcs11.CKF_USER_PIN_INITIALIZED == 0:
		return "it has no user PIN yet"
	case flags&pkcs11.CKF_LOGIN_REQUIRED == 0:
		return "it asks for no PIN, so anyone could sign with its keys"
	}
	return ""
}

// String names the token for messages.
func (t token) String() string {
	return fmt.Sprintf("token %q (%s)", t.info.Label, serial(t.info))
}

func serial(t pkcs11.TokenInfo) string {
	if t.SerialNumber == "" {
		return "without a serial"
	}
	return "serial " + t.SerialNumber
}

func (t token) device(l *library) signer.Device {
	flags := t.info.Flags
	return signer.Device{
		Backend: "pkcs11", Label: t.info.Label, Serial: t.info.SerialNumber,
		Model: t.info.Model, Manufacturer: t.info.ManufacturerID,
		Firmware: fmt.Sprintf("%d.%d", t.info.FirmwareVersion.Major, t.info.FirmwareVersion.Minor),
		Module:   l.path, ModuleSHA256: l.sha256, Software: isSoftware(l.info, t.info),
		PINCountLow: flags&pkcs11.CKF_USER_PIN_COUNT_LOW != 0,
		PINFinalTry: flags&pkcs11.CKF_USER_PIN_FINAL_TRY != 0,
		PINLocked:   flags&pkcs11.CKF_USER_PIN_LOCKED != 0,
		PINPad:      flags&pkcs11.CKF_PROTECTED_AUTHENTICATION_PATH != 0,
	}
}

// softwareTokens are known by a part of their manufacturer and model; all are
// compared in lower case and with single spaces. Who is not listed counts as
// hardware, on the strength of his own claims.
var softwareTokens = []struct{ manufacturer, model string }{
	{"softhsm", ""}, {"", "softhsm"},
	{"kryoptic", ""}, {"gnome keyring", ""}, {"mozilla", ""}, {"nss", ""},
	{"ibm", "soft"},                 // opencryptoki's software token
	{"", "sw tpm"},                  // tpm2-pkcs11 on swtpm
	{"", "simulator"}, {"", "emul"}, // the makers' own
}

func isSoftware(module pkcs11.Info, t pkcs11.TokenInfo) bool {
	plain := func(s string) string { return strings.ToLower(strings.Join(strings.Fields(s), " ")) }
	for _, s := range softwareTokens {
		if strings.Contains(plain(t.ManufacturerID), s.manufacturer) && strings.Contains(plain(t.Model), s.model) {
			return true
		}
	}
	return strings.Contains(plain(module.ManufacturerID+" "+module.LibraryDescription), "softhsm")
}

func (l *library) isSoftHSM() bool {
	return strings.Contains(strings.ToLower(l.info.ManufacturerID), "softhsm")
}
