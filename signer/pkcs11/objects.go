//go:build cgo

package pkcs11

import (
	"bytes"
	"math"

	"github.com/miekg/pkcs11"

	"officiant/signer/pkcs11/module"
)

// objects are what a token holds, as it tells on a session: they are looked for
// and read, and nothing is changed.
type objects struct {
	ctx           *module.Module
	module, label string // the token's, as a shell takes them, for hints
}

// privateKeys returns the private keys with a label, an id, or both. What a
// token that was killed left of one is none.
func (in objects) privateKeys(h pkcs11.SessionHandle, label string, id []byte) ([]pkcs11.ObjectHandle, error) {
	found, err := in.named(h, pkcs11.CKO_PRIVATE_KEY, label, id)
	if err == nil && len(found) == 0 && label != "" {
		found, err = in.padded(h, label, id)
	}
	if err != nil {
		return nil, err
	}
	var keys []pkcs11.ObjectHandle
	for _, o := range found {
		if empty, err := in.shell(h, o); err != nil {
			return nil, err
		} else if !empty {
			keys = append(keys, o)
		}
	}
	return keys, nil
}

// shell tells whether an object has a key's name and no key in it: SoftHSM
// writes the name first, and the rest, CKA_LOCAL included, in a second step.
func (in objects) shell(h pkcs11.SessionHandle, o pkcs11.ObjectHandle) (bool, error) {
	local, err := in.attribute(h, o, pkcs11.CKA_LOCAL)
	if err != nil || boolean(local) != isFalse {
		return false, err
	}
	kind, err := in.attribute(h, o, pkcs11.CKA_KEY_TYPE)
	if err != nil {
		return false, err
	}
	part := uint(pkcs11.CKA_EC_PARAMS)
	switch n, ok := number(kind); {
	case ok && n == pkcs11.CKK_RSA:
		part = pkcs11.CKA_MODULUS
	case !ok || n != pkcs11.CKK_EC:
		return false, nil
	}
	v, err := in.attribute(h, o, part)
	return err == nil && v != nil && len(v) == 0, err
}

// enough is how many objects of a name are asked for; two are too many already.
const enough = 16

// objects returns objects of a class with a label, an id, or both.
func (in objects) named(h pkcs11.SessionHandle, class uint, label string, id []byte) ([]pkcs11.ObjectHandle, error) {
	template := []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_CLASS, class)}
	if label != "" {
		template = append(template, pkcs11.NewAttribute(pkcs11.CKA_LABEL, label))
	}
	if len(id) > 0 {
		template = append(template, pkcs11.NewAttribute(pkcs11.CKA_ID, id))
	}
	return in.search(h, enough, template...)
}

// search returns at least as many of the token's objects as are enough, if
// there are so many.
func (in objects) search(h pkcs11.SessionHandle, enough int, template ...*pkcs11.Attribute) (
	[]pkcs11.ObjectHandle, error) {
	template = append(template, pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true))
	found, function, err := in.ctx.Find(h, enough, template)
	return found, called(function, err)
}

// padded finds private keys whose label ends with NULs, which a search for the
// label does not find.
func (in objects) padded(h pkcs11.SessionHandle, label string, id []byte) ([]pkcs11.ObjectHandle, error) {
	all, err := in.search(h, math.MaxInt, pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_PRIVATE_KEY))
	if err != nil {
		return nil, err
	}
	var found []pkcs11.ObjectHandle
	for _, o := range all {
		its, err := in.attribute(h, o, pkcs11.CKA_LABEL)
		if err != nil {
			return nil, err
		}
		if !bytes.HasSuffix(its, []byte{0}) || unpadded(its) != label {
			continue
		}
		itsID, err := in.attribute(h, o, pkcs11.CKA_ID)
		if err != nil {
			return nil, err
		}
		if len(id) == 0 || bytes.Equal(itsID, id) {
			found = append(found, o)
		}
	}
	return found, nil
}

// attribute reads one attribute. A token that does not have it, or does not
// tell it, gives nil.
func (in objects) attribute(h pkcs11.SessionHandle, o pkcs11.ObjectHandle, code uint) ([]byte, error) {
	v, err := in.ctx.GetAttribute(h, o, code)
	if err := called("C_GetAttributeValue", err); err != nil {
		if isCode(err, pkcs11.CKR_ATTRIBUTE_TYPE_INVALID, pkcs11.CKR_ATTRIBUTE_SENSITIVE) {
			return nil, nil
		}
		return nil, err
	}
	return v, nil
}
