//go:build cgo

package pkcs11

import (
	"errors"
	"fmt"
	"slices"

	"github.com/miekg/pkcs11"

	"officiant/signer"
)

// trial is where things are tried that a token has to refuse.
type trial struct {
	store   *store
	session pkcs11.SessionHandle
	key     *key
	after   string // what the token allowed before, for the trials' names
}

// answered makes a Trial of what a token answered; one that is gone, or does
// not make sense, has not answered.
func (t trial) answered(name string, err error, accepted string) (signer.Trial, error) {
	name += t.after
	var answer *callError
	switch {
	case err == nil:
		return signer.Trial{Name: name, Outcome: accepted, Leaks: true}, nil
	case away(err) || !errors.As(err, &answer):
		return signer.Trial{}, fmt.Errorf("%s: %w", name, err)
	}
	return signer.Trial{Name: name, Outcome: codeName(answer.code)}, nil
}

// read asks for the private value.
func (t trial) read() ([]signer.Trial, error) {
	name, code := "CKA_PRIVATE_EXPONENT", uint(pkcs11.CKA_PRIVATE_EXPONENT)
	if _, ec := curves[t.key.info.Algorithm]; ec {
		name, code = "CKA_VALUE", pkcs11.CKA_VALUE
	}
	read, err := t.store.lib.ctx.GetAttribute(t.session, t.key.handle, code)
	n := len(read)
	clear(read)
	one, err := t.answered("read "+name, called("C_GetAttributeValue", err), fmt.Sprintf("accepted: %d bytes", n))
	if err != nil {
		return nil, err
	}
	one.Leaks = one.Leaks && n > 0
	return []signer.Trial{one}, nil
}

// copy asks for a copy that may leave, and destroys it.
func (t trial) copy() ([]signer.Trial, error) {
	s := t.store
	made, err := s.lib.ctx.CopyObject(t.session, t.key.handle, []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_EXTRACTABLE, true)})
	reads := ""
	if err == nil {
		v, unread := s.objects.attribute(t.session, made, pkcs11.CKA_EXTRACTABLE)
		if err := called("C_DestroyObject", s.lib.ctx.DestroyObject(t.session, made)); err != nil || unread != nil {
			return nil, fmt.Errorf("a copy: %w", errors.Join(unread, err))
		}
		reads = boolean(v)
	}
	one, err := t.answered("copy with CKA_EXTRACTABLE true", called("C_CopyObject", err), "accepted; of the copy it reads "+reads)
	if err != nil {
		return nil, err
	}
	return []signer.Trial{one}, nil
}

// set asks for an attribute to be changed to what it must not be and, where the
// token does that, for the key again.
func (t trial) set(name string, code uint, to bool) ([]signer.Trial, error) {
	s := t.store
	name = fmt.Sprintf("set %s to %t", name, to)
	err := s.lib.ctx.SetAttributeValue(t.session, t.key.handle, []*pkcs11.Attribute{pkcs11.NewAttribute(code, to)})
	reads := ""
	if err == nil {
		v, err := s.objects.attribute(t.session, t.key.handle, code)
		if err != nil {
			return nil, err
		}
		reads = boolean(v)
	}
	one, err := t.answered(name, called("C_SetAttributeValue", err), "accepted; it reads "+reads)
	if err != nil {
		return nil, err
	}
	all := []signer.Trial{one}
	if !one.Leaks {
		return all, nil
	}
	t.after = ", after " + name
	for _, again := range []func() ([]signer.Trial, error){t.read, t.wrap} {
		some, err := again()
		if all = append(all, some...); err != nil {
			return all, err
		}
	}
	return all, nil
}

// wraps are the mechanisms that take a private key out under an AES key.
var wraps = []struct {
	name      string
	code      uint
	parameter any
}{
	{"CKM_AES_KEY_WRAP_PAD", pkcs11.CKM_AES_KEY_WRAP_PAD, nil},
	{"CKM_AES_KEY_WRAP_KWP", 0x210B, nil}, // PKCS #11 v3.0
	{"CKM_AES_KEY_WRAP", pkcs11.CKM_AES_KEY_WRAP, nil},
	{"CKM_AES_CBC_PAD", pkcs11.CKM_AES_CBC_PAD, make([]byte, 16)},
}

// wrap asks for the key under a key of the session's own, by each mechanism
// that the token lists.
func (t trial) wrap() ([]signer.Trial, error) {
	const name = "wrap with an AES key"
	untried := func(why string) ([]signer.Trial, error) {
		return []signer.Trial{{Name: name + t.after, Outcome: "not tried: " + why}}, nil
	}
	ctx := t.store.lib.ctx
	listed, err := ctx.GetMechanismList(t.store.token.slot)
	if err := called("C_GetMechanismList", err); err != nil {
		return nil, err
	}
	has := func(code uint) bool {
		return slices.Contains(listed, code)
	}
	if !has(pkcs11.CKM_AES_KEY_GEN) {
		return untried("the token makes no AES keys")
	}
	around, err := ctx.GenerateKey(t.session, []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_AES_KEY_GEN, nil)}, []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_SECRET_KEY), pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, pkcs11.CKK_AES),
		pkcs11.NewAttribute(pkcs11.CKA_TOKEN, false), pkcs11.NewAttribute(pkcs11.CKA_WRAP, true), pkcs11.NewAttribute(pkcs11.CKA_VALUE_LEN, 32),
	})
	if err != nil {
		one, err := t.answered(name, called("C_GenerateKey", err), "")
		if err != nil {
			return nil, err
		}
		return untried("the token makes no AES key: " + one.Outcome)
	}
	all, err := t.wrapWith(around, has)
	if gone := called("C_DestroyObject", ctx.DestroyObject(t.session, around)); err == nil && gone != nil {
		err = fmt.Errorf("the AES key: %w", gone)
	}
	if len(all) == 0 && err == nil {
		return untried("the token lists no mechanism for it")
	}
	return all, err
}

func (t trial) wrapWith(around pkcs11.ObjectHandle, has func(uint) bool) ([]signer.Trial, error) {
	var all []signer.Trial
	for _, w := range wraps {
		if !has(w.code) {
			continue
		}
		out, err := t.store.lib.ctx.WrapKey(t.session, []*pkcs11.Mechanism{pkcs11.NewMechanism(w.code, w.parameter)}, around, t.key.handle)
		one, err := t.answered("wrap with "+w.name, called("C_WrapKey", err), fmt.Sprintf("accepted: %d bytes", len(out)))
		clear(out)
		if err != nil {
			return all, err
		}
		all = append(all, one)
	}
	return all, nil
}
