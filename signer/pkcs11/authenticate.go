//go:build cgo

package pkcs11

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/miekg/pkcs11"

	"officiant/signer"
	"officiant/signer/pkcs11/module"
)

// signAsked signs with a key that wants its PIN at each signature
// (CKA_ALWAYS_AUTHENTICATE). A token makes one such signature at a time, so
// that people are asked one thing at a time, and each PIN is tried with the
// flags known that the one before left behind.
func (k *key) signAsked(ctx context.Context, op module.Operation) ([]byte, error) {
	s := k.store
	select {
	case <-s.login.asking:
	case <-ctx.Done():
		return nil, fmt.Errorf("%s: %w", s.token, ctx.Err())
	}
	defer func() { s.login.asking <- struct{}{} }()
	if s.refused.Load() {
		return nil, fmt.Errorf("%s: %w: its pin-source's PIN was refused before, and is not tried again", s.token, signer.ErrPIN)
	}
	d, err := s.deviceNow(ctx)
	if err != nil {
		return nil, err
	}
	d = s.options.remembered(d)
	if err := s.pinAllowed(d); err != nil {
		return nil, err
	}
	d.PINFor = k.info.Label
	if op.PIN, err = s.pin(ctx, d); err != nil {
		return nil, fmt.Errorf("%s: %w", s.token, err)
	}
	op.Login = true
	var sig []byte
	err = s.options.tryPIN(d, isWrongPIN, func() (err error) {
		sig, err = s.signOnce(ctx, k, op)
		return err
	})
	if !isWrongPIN(err) {
		return sig, err
	}
	s.refused.Store(s.pins.has)
	left, _ := within(ctx, s, s.limits.call, func(pkcs11.SessionHandle) (string, error) {
		return s.lib.triesLeft(s.token.slot, s.options, d), nil
	})
	return nil, &signer.PINRefused{Device: d, Cause: fmt.Errorf("%w: %w; tried once; %s", signer.ErrPIN, err, left)}
}

// signOnce tries the operation's PIN once and clears it.
func (s *store) signOnce(ctx context.Context, k *key, op module.Operation) ([]byte, error) {
	limit := s.limits.call
	if op.PIN == nil { // it is typed at the token's pad
		limit = s.limits.pad
	}
	var taken atomic.Bool // whoever sets it clears the PIN: a call may be left behind, or never begin
	sig, err := within(ctx, s, limit, func(h pkcs11.SessionHandle) ([]byte, error) {
		if taken.Swap(true) {
			return nil, errors.New("too late for a PIN")
		}
		defer clear(op.PIN)
		if err := s.sameToken(); err != nil {
			return nil, fmt.Errorf("%w: %w", signer.ErrUnavailable, err)
		}
		return s.signOne(h, op)
	})
	if !taken.Swap(true) {
		clear(op.PIN)
	}
	return sig, err
}

// deviceNow is the store's device with the PIN's state as it is now.
func (s *store) deviceNow(ctx context.Context) (signer.Device, error) {
	return within(ctx, s, s.limits.call, func(pkcs11.SessionHandle) (signer.Device, error) {
		info, err := s.lib.ctx.GetTokenInfo(s.token.slot)
		if err := called("C_GetTokenInfo", err); err != nil {
			return signer.Device{}, err
		}
		return token{s.token.slot, info}.device(s.lib), nil
	})
}
