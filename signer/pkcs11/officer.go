//go:build cgo

package pkcs11

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/miekg/pkcs11"

	"officiant/signer"
)

// managementKey is the security officer's PIN of a YubiKey, from its source or from who is
// asked. What cannot be one is refused here: one of 6 to 8 characters the module would take
// for the user's PIN, and try it. The caller clears it.
func (s slotted) managementKey(ctx context.Context, from pinSource) ([]byte, error) {
	d := s.device
	d.Officer = true
	var secret []byte
	var err error
	switch {
	case from.has:
		if secret, err = from.read(ctx); err != nil {
			return nil, noPIN{fmt.Errorf("so-%w", err)}
		}
	case s.ask == nil:
		return nil, fmt.Errorf("%w: to make a key it needs the management key, and there is nobody to ask and no "+
			"so-pin-source", signer.ErrUnavailable)
	default:
		if secret, err = s.ask(ctx, d); err != nil {
			clear(secret)
			return nil, fmt.Errorf("its management key: %w", err)
		}
	}
	decoded := make([]byte, hex.DecodedLen(len(secret)))
	defer clear(decoded)
	if n := len(secret); n != 32 && n != 48 && n != 64 {
		err = fmt.Errorf(
			"it has %d characters, and a management key is 48 hexadecimal digits (an AES key: 32, 48 or 64)", n)
	} else if _, bad := hex.Decode(decoded, secret); bad != nil {
		err = errors.New("a management key is hexadecimal digits, and there are other characters in it")
	}
	if err != nil {
		clear(secret)
		return nil, fmt.Errorf("%w: %w; it was not tried", signer.ErrOfficer, err)
	}
	return secret, nil
}

// asOfficer ends the user's login, logs in as the security officer, with one try of the
// secret, has f write, and then read what the card has now. The module looks at a card when
// its first session is opened, so all others are closed before, and this one after f. The
// PIN that the user entered stays good in the card, and Yubico's module lets its officer
// sign: so the officer stays logged in, and nobody is asked for the PIN a second time.
func asOfficer(ctx context.Context, s slotted, secret []byte, write func(pkcs11.SessionHandle) error,
	read func(pkcs11.SessionHandle) (*key, error)) (*key, error) {
	return onSession(ctx, s.store, s.limits.create, unhurried, func(h pkcs11.SessionHandle) (*key, error) {
		defer clear(secret)
		others, give, err := s.pool.rest(ctx)
		if err != nil {
			return nil, err
		}
		defer give()
		select {
		case <-s.login.turn:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		defer func() { s.login.turn <- struct{}{} }()
		if s.login.stores > 1 {
			return nil, fmt.Errorf("%w: it is in use under another URI as well; name its keys by one",
				signer.ErrUnavailable)
		}
		if err := s.sameToken(); err != nil {
			return nil, fmt.Errorf("%w: %w", signer.ErrUnavailable, err)
		}
		for _, other := range others {
			if err := called("C_CloseSession", s.lib.ctx.CloseSession(other)); err != nil {
				return nil, err
			}
		}
		if err := s.officerOn(h, secret); err != nil {
			return nil, err
		}
		if err := write(h); err != nil {
			return nil, err
		}
		if err := s.officerOn(h, secret); err != nil {
			return nil, err
		}
		return read(h)
	})
}

// officerOn opens the only session anew, and logs in on it. It has the handle it had, as
// the pool knows it.
func (s slotted) officerOn(h pkcs11.SessionHandle, secret []byte) error {
	if err := called("C_CloseSession", s.lib.ctx.CloseSession(h)); err != nil {
		return err
	}
	s.login.officer.Store(false)
	fresh, err := s.openSession()
	if err == nil && fresh != h {
		err = fmt.Errorf("%w: its module gives its only session another handle", signer.ErrUnavailable)
	}
	if err == nil {
		err = s.officerLogin(h, secret)
	}
	if err != nil { // nobody is logged in any more
		s.lost.CompareAndSwap(nil, &loss{err})
	}
	return err
}

func (s slotted) officerLogin(h pkcs11.SessionHandle, secret []byte) error {
	once := bytes.Clone(secret)
	defer clear(once)
	err := called("C_Login", s.lib.ctx.Login(h, pkcs11.CKU_SO, once))
	if err == nil {
		s.login.officer.Store(true)
		return s.officerNow(h)
	}
	if isCode(err, wrongPIN...) || isCode(err, pkcs11.CKR_ARGUMENTS_BAD) {
		err = fmt.Errorf("%w: %w; it was tried once, and nothing was made. PIV counts no tries of this key, so "+
			"nothing is locked. The module answers the same if the YubiKey was pulled meanwhile, and if the key is an "+
			"AES key (the default from firmware 5.7 on) and the module is older than 2.3.0: \"ykman piv info\" tells "+
			"which it is", signer.ErrOfficer, err)
	}
	return err
}

func (s slotted) officerNow(h pkcs11.SessionHandle) error {
	state, err := s.lib.sessionState(h)
	if err == nil && state != pkcs11.CKS_RW_SO_FUNCTIONS {
		err = fmt.Errorf("%w: not logged in as security officer after the login (session state %d)",
			signer.ErrUnavailable, state)
	}
	return err
}

// loggedIn says whether a session's state is that of a login that signs.
func (l *login) loggedIn(state uint) bool {
	return state == pkcs11.CKS_RW_USER_FUNCTIONS || l.officer.Load() && state == pkcs11.CKS_RW_SO_FUNCTIONS
}
