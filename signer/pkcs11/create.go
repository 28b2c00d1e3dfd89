//go:build cgo

package pkcs11

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/ThalesIgnite/crypto11"
	"github.com/miekg/pkcs11"

	"officiant/signer"
)

// Create makes the key pair of ref with the CKA_ID id, and reads back what the
// token made of it. It does not judge the evidence: the key exists, and its
// Info says how good it is. A label or id that exists is refused.
func (s *store) Create(ctx context.Context, ref signer.Ref, spec signer.Spec, id signer.ID) (signer.Key, error) {
	a, err := s.address(ref)
	if err != nil {
		return nil, err
	}
	label := a.object
	if label == "" {
		label = ref.Label
	}
	switch {
	case label == "":
		return nil, errors.New("pkcs11 URI: names no key to make: object or a label is needed")
	case len(a.id) > 0 && !bytes.Equal(a.id, id[:]):
		return nil, fmt.Errorf("key %q: its URI asks for another id than the one it is to be made with", label)
	case id == signer.ID{}:
		return nil, fmt.Errorf("key %q: an id of zeros is none", label)
	}
	if _, err := signer.ParseAlgorithm(string(spec.Algorithm)); err != nil {
		return nil, fmt.Errorf("key %q: %w", label, err)
	}
	k, err := writing(ctx, s, s.limits.create, func(h pkcs11.SessionHandle) (*key, error) {
		if err := s.lib.mayCreate(s.token, spec); err != nil {
			return nil, err
		}
		if err := s.maker.assertNew(h, label, id[:]); err != nil {
			return nil, err
		}
		if err := ctx.Err(); err != nil { // nothing is made yet
			return nil, err
		}
		made, err := s.maker.generate(h, spec.Algorithm, label, id[:])
		if err != nil {
			return nil, err
		}
		k, err := s.readBack(h, spec.Algorithm, label, id[:])
		if err != nil {
			return nil, s.maker.unmake(h, made, err)
		}
		return k, nil
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name(label, id[:]), err)
	}
	return k, nil
}

// readBack reads the key that was just made, and holds it to what was asked for.
func (s *store) readBack(h pkcs11.SessionHandle, algorithm signer.Algorithm, label string, id []byte) (*key, error) {
	k, err := s.findOn(h, label, nil) // by label: it must be the only one after all
	if err == nil && !bytes.Equal(k.info.ID, id) {
		err = fmt.Errorf("the token gave it the id %x, not %x", k.info.ID, id)
	}
	if err == nil && k.info.Algorithm != algorithm {
		err = fmt.Errorf("the token made a key of %s, not %s", k.info.Algorithm, algorithm)
	}
	if err != nil {
		return nil, fmt.Errorf("made, but cannot be used: %w", err)
	}
	return k, nil
}

// maker makes and destroys keys in a token, as it has found the token to take them.
type maker struct {
	objects objects
	settled sync.Map // by algorithm: how much of the hardening the token takes
}

// assertNew refuses a label or an id that is taken. (NSS replaces a key by a
// new one of its id, without a word.) A public key whose private half does not
// exist is what a crash inside the token leaves; it is in nobody's way.
func (m *maker) assertNew(h pkcs11.SessionHandle, label string, id []byte) error {
	for _, class := range []uint{pkcs11.CKO_PRIVATE_KEY, pkcs11.CKO_PUBLIC_KEY} { // shells too: the id is fresh
		if found, err := m.objects.named(h, class, "", id); err != nil {
			return err
		} else if len(found) > 0 {
			return fmt.Errorf("%w: the id is taken", signer.ErrExists)
		}
	}
	if found, err := m.objects.privateKeys(h, label, nil); err != nil {
		return err
	} else if len(found) > 0 {
		return signer.ErrExists
	}
	halves, err := m.objects.named(h, pkcs11.CKO_PUBLIC_KEY, label, nil)
	if err != nil {
		return err
	}
	for _, half := range halves {
		halfID, err := m.objects.attribute(h, half, pkcs11.CKA_ID)
		if err != nil {
			return err
		}
		if len(halfID) == 0 {
			return fmt.Errorf("%w: a public key without an id", signer.ErrExists)
		}
		if owner, err := m.objects.privateKeys(h, "", halfID); err != nil {
			return err
		} else if len(owner) > 0 {
			return fmt.Errorf("%w: the public key with id %x", signer.ErrExists, halfID)
		}
	}
	return nil
}

// refusals are what tokens answer to an attribute they do not take;
// tpm2-pkcs11 answers CKR_GENERAL_ERROR to DECRYPT=0 on an RSA key.
var refusals = []uint{
	pkcs11.CKR_TEMPLATE_INCONSISTENT, pkcs11.CKR_ATTRIBUTE_TYPE_INVALID, pkcs11.CKR_ATTRIBUTE_VALUE_INVALID,
	pkcs11.CKR_ATTRIBUTE_READ_ONLY, pkcs11.CKR_GENERAL_ERROR, pkcs11.CKR_FUNCTION_FAILED,
}

// hardening are the attributes of a private key that are switched off where a
// token lets them be, the first to be given up in front: a TPM's keys decrypt,
// and opencryptoki and NSS do not know COPYABLE. (Never DESTROYABLE: SoftHSM
// could then not be rid of the key.)
var hardening = []uint{pkcs11.CKA_DECRYPT, pkcs11.CKA_COPYABLE, pkcs11.CKA_MODIFIABLE}

// pair are the two halves of a key.
type pair struct{ public, private pkcs11.ObjectHandle }

// generate makes a key pair: first with all that is wanted and then, as long as
// the token refuses, without each choice of what it may do without. A refusal
// must have left nothing behind. The next key of the algorithm begins with the
// choice that was taken: so it is made as its canary was, and tpm2-pkcs11 is
// spared refusals, each of which costs it memory in the TPM.
func (m *maker) generate(h pkcs11.SessionHandle, algorithm signer.Algorithm, label string, id []byte) (pair, error) {
	settled, _ := m.settled.Load(algorithm)
	for choice, _ := settled.(uint); ; choice++ {
		var off []uint
		for i, code := range hardening {
			if choice>>i&1 == 0 {
				off = append(off, code)
			}
		}
		made, err := m.generateWith(h, algorithm, label, id, off)
		if err == nil {
			m.settled.Store(algorithm, choice)
		}
		if len(off) == 0 || !isCode(err, refusals...) {
			return made, err
		}
		if err := m.assertNew(h, label, id); err != nil {
			return made, fmt.Errorf("after the token refused to make it: %w", err)
		}
	}
}

func (m *maker) generateWith(h pkcs11.SessionHandle, algorithm signer.Algorithm, label string, id []byte, off []uint) (
	pair, error) {
	public, private, mechanism, err := templates(algorithm, label, id, off)
	if err != nil {
		return pair{}, err
	}
	var made pair
	how := []*pkcs11.Mechanism{pkcs11.NewMechanism(mechanism, nil)}
	made.public, made.private, err = m.objects.ctx.GenerateKeyPair(h, how, public, private)
	return made, called("C_GenerateKeyPair", err)
}

// templates are the attributes of the two halves, off being those of the
// hardening that are set. crypto11's sets hold each
// attribute once, and answer a value of the wrong type with an error where
// miekg/pkcs11 panics; its own defaults are not used.
func templates(algorithm signer.Algorithm, label string, id []byte, off []uint) (public, private []*pkcs11.Attribute, mechanism uint, err error) {
	pub, err := crypto11.NewAttributeSetWithIDAndLabel(id, []byte(label))
	if err != nil {
		return nil, nil, 0, err
	}
	priv := pub.Copy()
	var errs []error
	set := func(to crypto11.AttributeSet, code uint, value any) { errs = append(errs, to.Set(code, value)) }

	mechanism = pkcs11.CKM_EC_KEY_PAIR_GEN
	if c, ok := curves[algorithm]; ok {
		set(pub, pkcs11.CKA_EC_PARAMS, c.oid)
	} else {
		mechanism = pkcs11.CKM_RSA_PKCS_KEY_PAIR_GEN
		set(pub, pkcs11.CKA_MODULUS_BITS, bits(algorithm))
		set(pub, pkcs11.CKA_PUBLIC_EXPONENT, []byte{1, 0, 1})
	}
	set(pub, pkcs11.CKA_TOKEN, true)
	set(pub, pkcs11.CKA_PRIVATE, false)
	set(pub, pkcs11.CKA_VERIFY, true)
	for _, code := range []uint{pkcs11.CKA_TOKEN, pkcs11.CKA_PRIVATE, pkcs11.CKA_SENSITIVE, pkcs11.CKA_SIGN} {
		set(priv, code, true)
	}
	for _, code := range append([]uint{pkcs11.CKA_EXTRACTABLE, pkcs11.CKA_UNWRAP, pkcs11.CKA_SIGN_RECOVER, pkcs11.CKA_DERIVE}, off...) {
		set(priv, code, false)
	}
	return inOrder(pub), inOrder(priv), mechanism, errors.Join(errs...)
}

// inOrder makes two runs ask a token the same way.
func inOrder(set crypto11.AttributeSet) []*pkcs11.Attribute {
	all := set.ToSlice()
	slices.SortFunc(all, func(a, b *pkcs11.Attribute) int { return cmp.Compare(a.Type, b.Type) })
	return all
}
