//go:build cgo

package pkcs11

import (
	"context"
	"fmt"
	"time"

	"github.com/miekg/pkcs11"

	"officiant/bundle/fingerprint"
	"officiant/signer"
)

// Destroy destroys both halves of the key that Create made with id, the private one
// first, and what a token that was killed left of either.
func (s *store) Destroy(ctx context.Context, ref signer.Ref, id signer.ID, spki [32]byte) (time.Time, error) {
	_, err := s.address(ref)
	if err == nil && id == (signer.ID{}) {
		err = fmt.Errorf("%w: an id of zeros is none", signer.ErrUnsupported)
	}
	if err != nil {
		return time.Time{}, err
	}
	_, err = writing(ctx, s, s.limits.call, func(h pkcs11.SessionHandle) (struct{}, error) {
		return struct{}{}, s.destroyOn(h, id[:], spki)
	})
	if err != nil {
		err = fmt.Errorf("%s: %w", name("", id[:]), err)
	}
	return time.Time{}, err
}

func (s *store) destroyOn(h pkcs11.SessionHandle, id []byte, spki [32]byte) error {
	keys, err := s.objects.privateKeys(h, "", id)
	if err != nil {
		return err
	}
	switch len(keys) {
	case 0:
	case 1:
		k, err := s.keyOf(h, keys[0], "", id)
		if err != nil {
			return err
		}
		if got, err := fingerprint.SPKI(k.public); err != nil || got != fingerprint.SHA256(spki) {
			return fmt.Errorf("%w: its public key is %s, not %s", signer.ErrOther, got, fingerprint.SHA256(spki))
		}
	default:
		return s.ambiguous(h, keys)
	}
	// What is no key any more goes too: a half that is left would have the next key's name.
	for _, class := range []uint{pkcs11.CKO_PRIVATE_KEY, pkcs11.CKO_PUBLIC_KEY} {
		if err := s.destroyClass(h, class, id); err != nil {
			return err
		}
	}
	if len(keys) == 0 {
		return signer.ErrNotFound
	}
	return nil
}

// destroyClass destroys the objects of a class that have an id, and sees that none is left.
func (s *store) destroyClass(h pkcs11.SessionHandle, class uint, id []byte) error {
	found, err := s.objects.named(h, class, "", id)
	if err != nil {
		return err
	}
	for _, o := range found {
		if err := called("C_DestroyObject", s.lib.ctx.DestroyObject(h, o)); err != nil {
			return err
		}
	}
	if found, err = s.objects.named(h, class, "", id); err == nil && len(found) > 0 {
		err = fmt.Errorf("the token says that it destroyed it, and has it still")
	}
	return err
}
