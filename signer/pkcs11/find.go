//go:build cgo

package pkcs11

import (
	"bytes"
	"context"
	"fmt"

	"github.com/miekg/pkcs11"

	"officiant/signer"
)

// Find returns the key with the label of ref's object attribute or, without
// one, of ref itself, and with its id attribute. There must be exactly one
// private key of that name.
func (s *store) Find(ctx context.Context, ref signer.Ref) (signer.Key, error) {
	a, err := s.address(ref)
	if err != nil {
		return nil, err
	}
	label, id, err := a.key(ref)
	if err != nil {
		return nil, err
	}
	return s.findKey(ctx, label, id)
}

// FindID returns the key with the CKA_ID that Create gave it; ref names only
// the token.
func (s *store) FindID(ctx context.Context, ref signer.Ref, id signer.ID) (signer.Key, error) {
	if _, err := s.address(ref); err != nil {
		return nil, err
	}
	return s.findKey(ctx, "", id[:])
}

// address takes ref's URI apart and makes sure that it names this token.
func (s *store) address(ref signer.Ref) (address, error) {
	a, err := parseURI(ref.URI)
	if err != nil {
		return a, err
	}
	if !a.matches(s.token.info) {
		return a, fmt.Errorf("key %q: its URI names the token with %s, not %s", ref.Label, a, s.token)
	}
	return a, nil
}

func (s *store) findKey(ctx context.Context, label string, id []byte) (signer.Key, error) {
	k, err := within(ctx, s, s.limits.call, func(h pkcs11.SessionHandle) (*key, error) { return s.findOn(h, label, id) })
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name(label, id), err)
	}
	return k, nil
}

// findOn finds a private key by label, id or both, and its public half.
func (s *store) findOn(h pkcs11.SessionHandle, label string, id []byte) (*key, error) {
	private, err := s.privateKeys(h, label, id)
	if err != nil {
		return nil, err
	}
	switch len(private) {
	case 0:
		return nil, signer.ErrNotFound
	case 1:
		return s.keyOf(h, private[0], label, id)
	}
	return nil, s.ambiguous(h, private)
}

// keyOf reads all there is to know of a private key, which must be the one of
// the label and the id.
func (s *store) keyOf(h pkcs11.SessionHandle, private pkcs11.ObjectHandle, label string, id []byte) (*key, error) {
	k, err := s.read(h, private)
	if err != nil {
		return nil, err
	}
	if label != "" && k.info.Label != label || len(id) > 0 && !bytes.Equal(k.info.ID, id) {
		return nil, fmt.Errorf("the token answers with another key: %s", name(k.info.Label, k.info.ID))
	}
	return k, nil
}

// read reads all there is to know of a private key. With an error comes as much
// as could be read.
func (s *store) read(h pkcs11.SessionHandle, private pkcs11.ObjectHandle) (*key, error) {
	k := &key{store: s, handle: private, info: signer.Info{Device: s.device, Grade: signer.Unproven}}
	label, err := s.attribute(h, private, pkcs11.CKA_LABEL)
	if err != nil {
		return k, err
	}
	k.info.Label = unpadded(label)
	if k.info.ID, err = s.attribute(h, private, pkcs11.CKA_ID); err != nil {
		return k, err
	}
	if k.info.Attributes, err = s.evidenceOf(h, private); err != nil {
		return k, err
	}
	if k.public, err = s.publicOf(h, private, k.info.ID, string(label)); err != nil {
		return k, err
	}
	algorithm, err := signer.AlgorithmOf(k.public)
	if err != nil {
		return k, fmt.Errorf("%w: %w", signer.ErrUnsupported, err)
	}
	k.info.Algorithm = algorithm
	k.info.Grade, k.info.Reason = grade(k.info.Attributes, algorithm, s.device.Software)
	return k, nil
}

// privateKeys returns the private keys with a label, an id, or both. What a
// token that was killed left of one is none.
func (s *store) privateKeys(h pkcs11.SessionHandle, label string, id []byte) ([]pkcs11.ObjectHandle, error) {
	found, err := s.objects(h, pkcs11.CKO_PRIVATE_KEY, label, id)
	if err == nil && len(found) == 0 && label != "" {
		found, err = s.padded(h, label, id)
	}
	if err != nil {
		return nil, err
	}
	var keys []pkcs11.ObjectHandle
	for _, o := range found {
		if empty, err := s.shell(h, o); err != nil {
			return nil, err
		} else if !empty {
			keys = append(keys, o)
		}
	}
	return keys, nil
}

// shell tells whether an object has a key's name and no key in it: SoftHSM
// writes the name first, and the rest, CKA_LOCAL included, in a second step.
func (s *store) shell(h pkcs11.SessionHandle, o pkcs11.ObjectHandle) (bool, error) {
	local, err := s.attribute(h, o, pkcs11.CKA_LOCAL)
	if err != nil || boolean(local) != isFalse {
		return false, err
	}
	kind, err := s.attribute(h, o, pkcs11.CKA_KEY_TYPE)
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
	v, err := s.attribute(h, o, part)
	return err == nil && v != nil && len(v) == 0, err
}

// enough is how many objects of a name are asked for; two are too many already.
const enough = 16

// objects returns objects of a class with a label, an id, or both.
func (s *store) objects(h pkcs11.SessionHandle, class uint, label string, id []byte) ([]pkcs11.ObjectHandle, error) {
	template := []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_CLASS, class)}
	if label != "" {
		template = append(template, pkcs11.NewAttribute(pkcs11.CKA_LABEL, label))
	}
	if len(id) > 0 {
		template = append(template, pkcs11.NewAttribute(pkcs11.CKA_ID, id))
	}
	return s.search(h, enough, template...)
}

// search returns at least as many of the token's objects as are enough, if
// there are so many.
func (s *store) search(h pkcs11.SessionHandle, enough int, template ...*pkcs11.Attribute) ([]pkcs11.ObjectHandle, error) {
	template = append(template, pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true))
	found, function, err := s.lib.ctx.Find(h, enough, template)
	return found, called(function, err)
}

// name is how a key is called in messages.
func name(label string, id []byte) string {
	switch {
	case label == "":
		return fmt.Sprintf("key with id %x", id)
	case len(id) == 0:
		return fmt.Sprintf("key %q", label)
	}
	return fmt.Sprintf("key %q with id %x", label, id)
}
