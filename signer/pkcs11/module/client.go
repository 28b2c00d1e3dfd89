//go:build cgo

package module

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/miekg/pkcs11"
)

// The functions of PKCS #11, with the arguments of miekg/pkcs11. A code that a
// module answers is a pkcs11.Error.

func (o *out) attributes(all []*pkcs11.Attribute) *out {
	o.number(uint(len(all)))
	for _, a := range all {
		o.number(a.Type).bytes(a.Value)
	}
	return o
}

// mechanism writes the only one; no function that is used takes more.
func (o *out) mechanism(m []*pkcs11.Mechanism) *out {
	return o.number(m[0].Mechanism).bytes(m[0].Parameter)
}

// Initialize is C_Initialize, with locks of the system's.
func (m *Module) Initialize() error { return m.turn(fnInitialize, true) }

// Finalize is C_Finalize.
func (m *Module) Finalize() error { return m.turn(fnFinalize, false) }

func (m *Module) turn(function byte, ready bool) error {
	err := m.connection.none(function, &out{})
	if err == nil {
		m.ready.Store(ready)
	}
	return err
}

// GetInfo is C_GetInfo: the maker's name, the library's description and version.
func (m *Module) GetInfo() (pkcs11.Info, error) {
	i, err := m.connection.call(fnGetInfo, &out{})
	if err != nil {
		return pkcs11.Info{}, err
	}
	info := pkcs11.Info{ManufacturerID: words(i.text()), LibraryDescription: words(i.text())}
	info.LibraryVersion = pkcs11.Version{Major: byte(i.number()), Minor: byte(i.number())}
	return info, done(fnGetInfo, i)
}

// GetSlotList is C_GetSlotList: the slots that hold a token.
func (m *Module) GetSlotList() ([]uint, error) { return m.connection.list(fnGetSlotList, &out{}) }

// GetMechanismList is C_GetMechanismList.
func (m *Module) GetMechanismList(slot uint) ([]uint, error) {
	return m.connection.list(fnGetMechanismList, new(out).number(slot))
}

// GetTokenInfo is C_GetTokenInfo, of which it has names, flags, limits of
// sessions, and the firmware's version.
func (m *Module) GetTokenInfo(slot uint) (pkcs11.TokenInfo, error) {
	i, err := m.connection.call(fnGetTokenInfo, new(out).number(slot))
	if err != nil {
		return pkcs11.TokenInfo{}, err
	}
	t := pkcs11.TokenInfo{
		Label: words(i.text()), ManufacturerID: words(i.text()), Model: words(i.text()), SerialNumber: words(i.text()),
		Flags: i.number(), MaxSessionCount: i.number(), MaxRwSessionCount: i.number(),
	}
	t.FirmwareVersion = pkcs11.Version{Major: byte(i.number()), Minor: byte(i.number())}
	return t, done(fnGetTokenInfo, i)
}

// GetMechanismInfo is C_GetMechanismInfo.
func (m *Module) GetMechanismInfo(slot, mechanism uint) (pkcs11.MechanismInfo, error) {
	i, err := m.connection.call(fnGetMechanismInfo, new(out).number(slot).number(mechanism))
	if err != nil {
		return pkcs11.MechanismInfo{}, err
	}
	info := pkcs11.MechanismInfo{MinKeySize: i.number(), MaxKeySize: i.number(), Flags: i.number()}
	return info, done(fnGetMechanismInfo, i)
}

// InitToken is C_InitToken.
func (m *Module) InitToken(slot uint, pin []byte, label string) error {
	return m.connection.none(fnInitToken, new(out).number(slot).bytes(pin).text(label))
}

// InitPIN is C_InitPIN.
func (m *Module) InitPIN(h pkcs11.SessionHandle, pin []byte) error {
	return m.connection.none(fnInitPIN, new(out).number(uint(h)).bytes(pin))
}

// SetPIN is C_SetPIN, by the user who is logged in. Both PINs are the caller's to clear.
func (m *Module) SetPIN(h pkcs11.SessionHandle, old, pin []byte) error {
	body := make(out, 0, 64+len(old)+len(pin)) // it does not grow, which would leave copies
	return m.connection.none(fnSetPIN, body.number(uint(h)).bytes(old).bytes(pin))
}

// OpenSession is C_OpenSession.
func (m *Module) OpenSession(slot, flags uint) (pkcs11.SessionHandle, error) {
	h, err := m.connection.one(fnOpenSession, new(out).number(slot).number(flags))
	return pkcs11.SessionHandle(h), err
}

// CloseSession is C_CloseSession.
func (m *Module) CloseSession(h pkcs11.SessionHandle) error {
	return m.connection.none(fnCloseSession, new(out).number(uint(h)))
}

// SessionState is the state that C_GetSessionInfo returns: CKS_….
func (m *Module) SessionState(h pkcs11.SessionHandle) (uint, error) {
	return m.connection.one(fnGetSessionInfo, new(out).number(uint(h)))
}

// Login is C_Login; a nil pin leaves the asking to the token's own pad. The PIN
// is the caller's to clear; on its way it is cleared behind itself.
func (m *Module) Login(h pkcs11.SessionHandle, user uint, pin []byte) error {
	pad := uint(0)
	if pin == nil {
		pad = 1
	}
	body := make(out, 0, 64+len(pin)) // it does not grow, which would leave copies
	return m.connection.none(fnLogin, body.number(uint(h)).number(user).number(pad).bytes(pin))
}

// Logout is C_Logout.
func (m *Module) Logout(h pkcs11.SessionHandle) error {
	return m.connection.none(fnLogout, new(out).number(uint(h)))
}

// CreateObject is C_CreateObject.
func (m *Module) CreateObject(h pkcs11.SessionHandle, template []*pkcs11.Attribute) (pkcs11.ObjectHandle, error) {
	o, err := m.connection.one(fnCreateObject, new(out).number(uint(h)).attributes(template))
	return pkcs11.ObjectHandle(o), err
}

// CopyObject is C_CopyObject.
func (m *Module) CopyObject(h pkcs11.SessionHandle, o pkcs11.ObjectHandle, template []*pkcs11.Attribute) (
	pkcs11.ObjectHandle, error) {
	made, err := m.connection.one(fnCopyObject, new(out).number(uint(h)).number(uint(o)).attributes(template))
	return pkcs11.ObjectHandle(made), err
}

// DestroyObject is C_DestroyObject.
func (m *Module) DestroyObject(h pkcs11.SessionHandle, o pkcs11.ObjectHandle) error {
	return m.connection.none(fnDestroyObject, new(out).number(uint(h)).number(uint(o)))
}

// GetAttribute is C_GetAttributeValue of one attribute.
func (m *Module) GetAttribute(h pkcs11.SessionHandle, o pkcs11.ObjectHandle, code uint) ([]byte, error) {
	i, err := m.connection.call(fnGetAttributeValue, new(out).number(uint(h)).number(uint(o)).number(code))
	if err != nil {
		return nil, err
	}
	value := i.bytes()
	return value, done(fnGetAttributeValue, i)
}

// SetAttributeValue is C_SetAttributeValue.
func (m *Module) SetAttributeValue(h pkcs11.SessionHandle, o pkcs11.ObjectHandle, values []*pkcs11.Attribute) error {
	return m.connection.none(fnSetAttributeValue, new(out).number(uint(h)).number(uint(o)).attributes(values))
}

// Find is C_FindObjectsInit, C_FindObjects as often as it takes, and
// C_FindObjectsFinal: at least as many objects as are enough, if there are so many.
// The name of the function that failed comes with a code.
func (m *Module) Find(h pkcs11.SessionHandle, enough int, template []*pkcs11.Attribute) (
	found []pkcs11.ObjectHandle, function string, err error) {
	body := new(out).number(uint(h)).number(uint(enough)).attributes(template)
	i, function, err := m.connection.callNamed(fnFind, body)
	if err != nil {
		return nil, function, err
	}
	for _, n := range i.numbers() {
		found = append(found, pkcs11.ObjectHandle(n))
	}
	return found, function, done(fnFind, i)
}

// GenerateKey is C_GenerateKey.
func (m *Module) GenerateKey(h pkcs11.SessionHandle, how []*pkcs11.Mechanism, template []*pkcs11.Attribute) (
	pkcs11.ObjectHandle, error) {
	o, err := m.connection.one(fnGenerateKey, new(out).number(uint(h)).mechanism(how).attributes(template))
	return pkcs11.ObjectHandle(o), err
}

// GenerateKeyPair is C_GenerateKeyPair.
func (m *Module) GenerateKeyPair(h pkcs11.SessionHandle, how []*pkcs11.Mechanism, public, private []*pkcs11.Attribute) (
	pub, priv pkcs11.ObjectHandle, err error) {
	body := new(out).number(uint(h)).mechanism(how).attributes(public).attributes(private)
	i, err := m.connection.call(fnGenerateKeyPair, body)
	if err != nil {
		return 0, 0, err
	}
	pub, priv = pkcs11.ObjectHandle(i.number()), pkcs11.ObjectHandle(i.number())
	return pub, priv, done(fnGenerateKeyPair, i)
}

// WrapKey is C_WrapKey.
func (m *Module) WrapKey(h pkcs11.SessionHandle, how []*pkcs11.Mechanism, around, key pkcs11.ObjectHandle) (
	[]byte, error) {
	body := new(out).number(uint(h)).mechanism(how).number(uint(around)).number(uint(key))
	i, err := m.connection.call(fnWrapKey, body)
	if err != nil {
		return nil, err
	}
	wrapped := i.bytes()
	return wrapped, done(fnWrapKey, i)
}

// Sign makes signatures one after the other on a session, each by C_SignInit,
// C_Login where it wants one, and C_Sign. With the first error come those before
// it. The name of the function that failed comes with a code.
func (m *Module) Sign(h pkcs11.SessionHandle, all []Operation) (signatures [][]byte, function string, err error) {
	size := 16
	for _, op := range all {
		size += 64 + len(op.Parameter) + len(op.Data) + len(op.PIN)
	}
	body := make(out, 0, size) // it does not grow: there may be a PIN in it
	writes := false
	body.number(uint(h)).number(uint(len(all)))
	for _, op := range all {
		body.operation(op)
		writes = writes || op.Login
	}
	answer, err := m.connection.ask(fnSign, &body, writes)
	if err != nil {
		return nil, known[fnSign].name, err
	}
	i := &in{rest: answer.body}
	want := len(all)
	switch answer.kind {
	case answerText:
		return nil, known[fnSign].name, spoken(i)
	case answerCode:
		function, want = known[byte(i.number())].name, want-1
		err = pkcs11.Error(i.number())
	}
	for len(i.rest) > 0 && !i.bad && len(signatures) < want {
		signatures = append(signatures, i.bytes())
	}
	if bad := done(fnSign, i); bad != nil {
		return nil, known[fnSign].name, bad
	}
	if err == nil && len(signatures) != want {
		return nil, known[fnSign].name, &Nonsense{"C_Sign: too few signatures"}
	}
	return signatures, function, err
}

// Limit is how long a call may take.
func (m *Module) Limit() time.Duration { return time.Duration(m.connection.limit.Load()) }

// words are a text of the token's or module's without its padding: blanks by the standard,
// and NUL by some. What is not UTF-8, as the standard wants it, was written in Latin-1.
func words(s string) string {
	s = strings.TrimRight(s, " \x00")
	if utf8.ValidString(s) {
		return s
	}
	latin := make([]rune, 0, len(s))
	for _, b := range []byte(s) {
		latin = append(latin, rune(b))
	}
	return string(latin)
}
