//go:build cgo

package pkcs11

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/miekg/pkcs11"

	"officiant/signer"
)

// Probe makes a canary, tries to get it out, lets use have it, and destroys it.
// An object that has the canary's id and another label is not touched, and an
// error. When the canary could not be destroyed, the error says so; a Probe
// with the same id does it then.
func (s *store) Probe(ctx context.Context, ref signer.Ref, spec signer.Spec, id signer.ID, use func(context.Context, signer.Key) error) (signer.Canary, error) {
	told := signer.Canary{Algorithm: spec.Algorithm}
	if _, err := s.address(ref); err != nil {
		return told, err
	}
	if _, err := signer.ParseAlgorithm(string(spec.Algorithm)); err != nil {
		return told, fmt.Errorf("canary: %w", err)
	}
	if id == (signer.ID{}) {
		return told, errors.New("canary: an id of zeros is none")
	}
	c := canary{store: s, algorithm: spec.Algorithm, label: signer.CanaryLabel + hex.EncodeToString(id[:]), id: id[:]}
	err := c.live(ctx, &told, use)
	if err != nil {
		err = fmt.Errorf("canary %q: %w", c.label, err)
	}
	return told, err
}

// canary is a key that is made to be destroyed.
type canary struct {
	store     *store
	algorithm signer.Algorithm
	label     string
	id        []byte
}

// live is the canary's life, from what a killed process left of an earlier one
// to its end, which comes in any case.
func (c canary) live(ctx context.Context, told *signer.Canary, use func(context.Context, signer.Key) error) error {
	s := c.store
	if err := c.do(ctx, s.limits.call, c.prepare); err != nil {
		return err
	}
	made, err := writing(ctx, s, s.limits.create, func(h pkcs11.SessionHandle) (pair, error) {
		return s.maker.generate(h, c.algorithm, c.label, c.id) // just as Create does
	})
	if err == nil {
		err = c.try(ctx, told, use)
	}
	end := c.do(context.WithoutCancel(ctx), s.limits.call, func(h pkcs11.SessionHandle) error { return c.bury(h, made) })
	if end != nil {
		end = c.byHand(end)
	}
	return errors.Join(err, end)
}

// byHand says how to remove what could not be destroyed.
func (c canary) byHand(err error) error {
	return fmt.Errorf("it may still be in the token, to be removed by hand "+
		"(pkcs11-tool --module %s --token-label %s --login --delete-object --type privkey --id %x, and again with "+
		"--type pubkey): %w",
		c.store.objects.module, c.store.objects.label, c.id, err)
}

func (c canary) do(ctx context.Context, limit time.Duration, f func(pkcs11.SessionHandle) error) error {
	_, err := writing(ctx, c.store, limit, func(h pkcs11.SessionHandle) (struct{}, error) { return struct{}{}, f(h) })
	return err
}

// prepare destroys what is left of an earlier canary and sees that a new one
// can be made.
func (c canary) prepare(h pkcs11.SessionHandle) error {
	s := c.store
	if err := c.sweep(h); err != nil {
		return fmt.Errorf("what is left of an earlier one: %w", err)
	}
	if err := s.lib.mayCreate(s.token, signer.Spec{Algorithm: c.algorithm}); err != nil {
		return err
	}
	return s.maker.assertNew(h, c.label, c.id)
}

// try reads the canary's attributes and then makes the trials: first on the key
// as it is, then with each attribute changed that the token lets be changed. The
// copy comes last, when the key is of no more use: in NSS it has the key's place,
// and the key goes with it.
func (c canary) try(ctx context.Context, told *signer.Canary, use func(context.Context, signer.Key) error) error {
	s := c.store
	k, err := within(ctx, s, s.limits.call, func(h pkcs11.SessionHandle) (*key, error) {
		return s.readBack(h, c.algorithm, c.label, c.id)
	})
	if err != nil {
		return err
	}
	told.Attributes = maps.Clone(k.info.Attributes)
	type runs func(context.Context, *store, time.Duration, func(pkcs11.SessionHandle) ([]signer.Trial, error)) (
		[]signer.Trial, error)
	all := func(run runs, tries ...func(trial) ([]signer.Trial, error)) error {
		for _, try := range tries {
			trials, err := run(ctx, s, s.limits.call, func(h pkcs11.SessionHandle) ([]signer.Trial, error) {
				return try(trial{store: s, session: h, key: k})
			})
			told.Trials = append(told.Trials, trials...)
			if err != nil {
				return err
			}
		}
		return nil
	}
	err = all(within, trial.read, trial.wrap)
	if err == nil {
		err = all(writing,
			func(t trial) ([]signer.Trial, error) { return t.set("CKA_EXTRACTABLE", pkcs11.CKA_EXTRACTABLE, true) },
			func(t trial) ([]signer.Trial, error) { return t.set("CKA_SENSITIVE", pkcs11.CKA_SENSITIVE, false) })
	}
	if err == nil && use != nil {
		err = use(ctx, k)
	}
	if err == nil {
		err = all(writing, trial.copy)
	}
	return err
}

// sweep destroys what has the canary's id and label. It touches nothing when
// anything else has the id.
func (c canary) sweep(h pkcs11.SessionHandle) error {
	s := c.store
	found, err := s.objects.search(h, enough, pkcs11.NewAttribute(pkcs11.CKA_ID, c.id))
	if err != nil {
		return err
	}
	for _, o := range found {
		label, err := s.objects.attribute(h, o, pkcs11.CKA_LABEL)
		if err != nil {
			return err
		}
		id, err := s.objects.attribute(h, o, pkcs11.CKA_ID)
		if err != nil {
			return err
		}
		if string(label) != c.label || !bytes.Equal(id, c.id) {
			return fmt.Errorf("%w: %s has its id and is no canary; nothing was destroyed", signer.ErrExists, name(string(label), id))
		}
	}
	for _, o := range found {
		if err := called("C_DestroyObject", s.lib.ctx.DestroyObject(h, o)); err != nil {
			return err
		}
	}
	return nil
}

// bury destroys both halves of the canary and whatever was made of it, and
// makes sure that they are gone. Some tokens do not keep the id they were given:
// then the halves are known by their handles.
func (c canary) bury(h pkcs11.SessionHandle, made pair) error {
	if err := c.sweep(h); err != nil {
		return err
	}
	label := pkcs11.NewAttribute(pkcs11.CKA_LABEL, c.label)
	left, err := c.store.objects.search(h, enough, label)
	if err != nil {
		return err
	}
	for _, o := range left {
		if o != made.private && o != made.public {
			continue
		}
		if err := called("C_DestroyObject", c.store.lib.ctx.DestroyObject(h, o)); err != nil {
			return err
		}
	}
	for _, name := range []*pkcs11.Attribute{label, pkcs11.NewAttribute(pkcs11.CKA_ID, c.id)} {
		if left, err := c.store.objects.search(h, enough, name); err != nil {
			return err
		} else if len(left) > 0 {
			return fmt.Errorf("%d objects are left of it", len(left))
		}
	}
	return nil
}
