//go:build cgo

package pkcs11

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/miekg/pkcs11"

	"officiant/signer"
)

// piv is the PIV application of a YubiKey, reached by Yubico's module. A key lives in a
// slot, of which CKA_ID is the number, and a new key overwrites the slot's without a
// question. So a slot that holds anything is refused, the key of an id of ours is found by
// the mark that Create leaves in its slot, no canary is tried (it would take a slot), and
// no key is destroyed: see docs/signers/yubikey.md.
type piv struct {
	inSlots
	slots slotted
}

// slotted is a store, with what is done in slots alone.
type slotted struct{ *store }

// inSlots is what a store of slots does as any other store does. It is no Prober.
type inSlots interface {
	signer.Store
	signer.PublicFinder
	signer.Describer
	signer.PINChanger
	signer.Parallel
	signer.Queued
	signer.Lister
}

var (
	_ signer.IDFinder  = piv{}
	_ signer.Destroyer = piv{}
	_ signer.Slotted   = piv{}
)

// isPIV knows a YubiKey as Yubico's module shows it.
func isPIV(t pkcs11.TokenInfo) bool {
	return strings.HasPrefix(t.Model, "YubiKey") && strings.HasPrefix(t.ManufacturerID, "Yubico")
}

// Create makes a key in the empty slot that ref names by its id, as the token's security
// officer, whose PIN is the management key: ask is asked for it (signer.Device.Officer), or
// so-pin-source has it. It is tried once. The slot's certificate, which the module
// overwrites in between, says before and after for which id the key is.
func (p piv) Create(ctx context.Context, ref signer.Ref, spec signer.Spec, id signer.ID) (signer.Key, error) {
	s := p.slots
	a, err := s.address(ref)
	if err != nil {
		return nil, err
	}
	in, err := a.slotToMakeIn()
	switch {
	case err != nil:
		return nil, fmt.Errorf("key %q: %w", ref.Label, err)
	case id == signer.ID{}:
		return nil, fmt.Errorf("%s: an id of zeros is none", in)
	}
	if _, err := signer.ParseAlgorithm(string(spec.Algorithm)); err != nil {
		return nil, fmt.Errorf("%s: %w", in, err)
	}
	_, err = within(ctx, s.store, s.limits.call, func(h pkcs11.SessionHandle) (struct{}, error) {
		if err := s.lib.mayCreate(s.token, spec); err != nil {
			return struct{}{}, err
		}
		return struct{}{}, s.vacant(h, in, id)
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", in, err)
	}
	secret, err := s.managementKey(ctx, a.officer)
	if err != nil {
		return nil, fmt.Errorf("%s: %s: %w", in, s.token, err)
	}
	k, err := asOfficer(ctx, s, secret, func(h pkcs11.SessionHandle) error {
		return s.makeIn(h, in, spec.Algorithm, ref.Label, id)
	}, func(h pkcs11.SessionHandle) (*key, error) {
		k, err := s.findOn(h, "", in.id())
		if err == nil && k.info.Algorithm != spec.Algorithm {
			err = fmt.Errorf("the token made a key of %s, not %s", k.info.Algorithm, spec.Algorithm)
		}
		if err == nil && !bytes.Equal(k.info.ID, id[:]) {
			err = errors.New("the token does not show its mark")
		}
		if err == nil && k.info.Attributes["attestation.result"] == "" {
			k.info.Grade, k.info.Reason = signer.Unproven, "the YubiKey attests no keys: its slot f9 is empty or broken"
		}
		if err != nil {
			return nil, fmt.Errorf("made, but cannot be used, and stays in its slot: %w", err)
		}
		return k, nil
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", in, err)
	}
	return k, nil
}

// makeIn marks a slot as that of the id, has the token make a key there, and marks the key.
func (s slotted) makeIn(h pkcs11.SessionHandle, in slot, algorithm signer.Algorithm, label string,
	id signer.ID) error {
	if err := s.vacant(h, in, id); err != nil { // once more, as the card is now
		return err
	}
	if err := s.leaveMark(h, in, label, id, nil); err != nil {
		return err
	}
	public, private, mechanism := slotTemplates(algorithm, in)
	how := []*pkcs11.Mechanism{pkcs11.NewMechanism(mechanism, nil)}
	half, made, err := s.objects.ctx.GenerateKeyPair(h, how, public, private)
	if err := called("C_GenerateKeyPair", err); err != nil {
		return err
	}
	pub, err := s.objects.publicFrom(h, made, half)
	if err == nil {
		err = s.leaveMark(h, in, label, id, pub)
	}
	if err != nil {
		return fmt.Errorf("made, but not marked as this one's: %w", err)
	}
	return nil
}

// FindID returns the key of the slot that ref names, if the slot is marked with the id and
// the token says that it made the key. signer.ErrNotFound: no key is in the slot. Another
// key, and one without the mark, is signer.ErrExists: it is neither taken nor overwritten.
func (p piv) FindID(ctx context.Context, ref signer.Ref, id signer.ID) (signer.Key, error) {
	s := p.slots
	a, err := s.address(ref)
	if err != nil {
		return nil, err
	}
	in, err := a.slot()
	if err != nil {
		return nil, fmt.Errorf("key %q: %w", ref.Label, err)
	}
	k, err := within(ctx, s.store, s.limits.call, func(h pkcs11.SessionHandle) (*key, error) {
		if err := s.vacant(h, in, id); err == nil {
			return nil, signer.ErrNotFound
		} else if !errors.Is(err, errMarked) {
			return nil, err
		}
		return s.findOn(h, "", in.id())
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", in, err)
	}
	return k, nil
}

// Destroy destroys nothing: in PIV a key goes when another overwrites it, with a reset, and,
// from firmware 5.7 on, by a command that Yubico's module does not have.
func (p piv) Destroy(_ context.Context, ref signer.Ref, _ signer.ID, _ [32]byte) (time.Time, error) {
	return time.Time{}, fmt.Errorf("%w: %s: Yubico's module destroys no key of a slot: use %s",
		signer.ErrUnsupported, p.slots.token, p.Emptied(ref))
}

// Emptied says how a slot is emptied: of its key and of its certificate, because either
// makes it occupied.
func (p piv) Emptied(ref signer.Ref) string {
	name := "SLOT"
	if a, err := p.slots.address(ref); err == nil {
		if in, err := a.slot(); err == nil {
			name = fmt.Sprintf("%x", in.name())
		}
	}
	return fmt.Sprintf("\"ykman piv keys delete %s\" (firmware 5.7 or newer) and "+
		"\"ykman piv certificates delete %s\", or \"ykman piv reset\", which empties all slots", name, name)
}

// Vacant says why no key can be made in the slot of a YubiKey that ref names: it names none,
// or there is something in it (signer.ErrExists). It needs no login. What a killed run marked
// as its own is no reason, nor is any other token.
func (o Options) Vacant(ctx context.Context, ref signer.Ref) error {
	a, err := parseURI(ref.URI)
	if err != nil {
		return err
	}
	path, err := a.module()
	if err != nil {
		return err
	}
	_, err = bounded(ctx, o.limits().call, "PKCS#11 module "+path, func() (none struct{}, err error) {
		lib, err := o.acquire(path)
		if err != nil {
			return none, err
		}
		defer func() { err = errors.Join(err, lib.release()) }()
		t, err := lib.find(a)
		if err != nil || !isPIV(t.info) {
			return none, err
		}
		in, err := a.slotToMakeIn()
		if err != nil {
			return none, fmt.Errorf("%s: %w", t, err)
		}
		s := slotted{&store{lib: lib, token: t, device: t.device(lib), objects: objects{ctx: lib.ctx}}}
		h, err := s.openSession()
		if err != nil {
			return none, err
		}
		defer func() { err = errors.Join(err, called("C_CloseSession", lib.ctx.CloseSession(h))) }()
		if err := s.unclaimed(h, in); err != nil {
			return none, fmt.Errorf("%s: %s: %w", in, t, err)
		}
		return none, nil
	})
	return err
}

// tag gives a key in a slot the name and the id that its mark says, in place of the slot's.
func (k *key) tag(h pkcs11.SessionHandle) error {
	if !isPIV(k.store.token.info) {
		return nil
	}
	k.info.Attributes["CKA_ID"] = fmt.Sprintf("0x%X", k.info.ID)
	m, err := k.store.objects.markOf(h, k.info.ID)
	if err != nil || m == nil || k.info.Attributes["CKA_LOCAL"] != isTrue {
		return err
	}
	spki, err := x509.MarshalPKIXPublicKey(k.public)
	if err != nil {
		return err
	}
	if m.isOf(spki) || m.early {
		k.info.ID = m.id[:]
		if m.label != "" {
			k.info.Label = m.label
		}
	}
	return nil
}
