//go:build cgo

package pkcs11

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/miekg/pkcs11"

	"officiant/signer"
)

// login is this process's login to one token. PKCS#11 logs in a process, not a
// session, so all Stores on the token share it.
type login struct {
	turn   chan struct{} // holds one value; who has it may change stores
	stores int
	asking chan struct{} // holds one value; who has it may ask for a key's PIN
	// officer: the security officer is logged in, to make a key in a slot, and signs.
	officer atomic.Bool
}

// loginOf returns the login to a slot, whether there is one yet or not.
func (l *library) loginOf(slot uint) *login {
	libraries.Lock()
	defer libraries.Unlock()
	if l.logins[slot] == nil {
		l.logins[slot] = &login{turn: make(chan struct{}, 1), asking: make(chan struct{}, 1)}
		l.logins[slot].turn <- struct{}{}
		l.logins[slot].asking <- struct{}{}
	}
	return l.logins[slot]
}

// join logs the store's token in, or shares the login there is.
func (s *store) join(ctx context.Context, first pkcs11.SessionHandle) error {
	select {
	case <-s.login.turn:
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", s.token, ctx.Err())
	}
	defer func() { s.login.turn <- struct{}{} }()
	if s.login.stores == 0 {
		if err := s.firstLogin(ctx, first); err != nil {
			return err
		}
	}
	state, err := bounded(ctx, s.limits.call, s.token.String(), func() (uint, error) { return s.lib.sessionState(first) })
	if err != nil {
		return fmt.Errorf("%s: %w", s.token, err)
	}
	if !s.login.loggedIn(state) {
		return fmt.Errorf("%w: %s: not logged in after the login (session state %d)", signer.ErrUnavailable, s.token, state)
	}
	s.login.stores++
	return nil
}

// leave gives up the store's part in the login; the last one logs out.
func (s *store) leave(sessions []pkcs11.SessionHandle) error {
	<-s.login.turn
	defer func() { s.login.turn <- struct{}{} }()
	if s.login.stores--; s.login.stores > 0 || len(sessions) == 0 {
		return nil // without a session there is no login
	}
	s.login.officer.Store(false)
	return called("C_Logout", s.lib.ctx.Logout(sessions[0]))
}

// wrongPIN are the answers to a PIN that is not accepted.
var wrongPIN = []uint{
	pkcs11.CKR_PIN_INCORRECT, pkcs11.CKR_PIN_INVALID, pkcs11.CKR_PIN_LEN_RANGE, pkcs11.CKR_PIN_EXPIRED, pkcs11.CKR_PIN_LOCKED,
}

// firstLogin tries one PIN once.
func (s *store) firstLogin(ctx context.Context, first pkcs11.SessionHandle) error {
	state, err := bounded(ctx, s.limits.call, s.token.String(), func() (uint, error) { return s.lib.sessionState(first) })
	if err != nil {
		return fmt.Errorf("%s: %w", s.token, err)
	}
	if state != pkcs11.CKS_RW_PUBLIC_SESSION {
		return fmt.Errorf("%w: %s: other code in this process is logged in; the PIN could not be checked", signer.ErrUnavailable, s.token)
	}
	device := s.options.remembered(s.device)
	if err := s.pinAllowed(device); err != nil {
		return err
	}
	pin, err := s.pin(ctx, device)
	if err != nil {
		return fmt.Errorf("%s: %w", s.token, err)
	}
	err = s.options.tryPIN(device, isWrongPIN, func() error { return logIn(ctx, s, first, pin) })
	if err == nil {
		_, err = bounded(ctx, s.limits.call, s.token.String(), func() (struct{}, error) { return struct{}{}, s.sameToken() })
	}
	if err == nil || left(err) || ctx.Err() != nil {
		return err
	}
	if !isCode(err, wrongPIN...) {
		return fmt.Errorf("%w: %s: %w", signer.ErrUnavailable, s.token, err)
	}
	left, _ := bounded(ctx, s.limits.call, s.token.String(), func() (string, error) {
		return s.lib.triesLeft(s.token.slot, s.options, device), nil
	})
	err = fmt.Errorf("%s: %w: %w; tried once; %s", s.token, signer.ErrPIN, err, left)
	return &signer.PINRefused{Device: device, Cause: err}
}

// logIn tries a PIN once and clears it.
func logIn(ctx context.Context, s *store, first pkcs11.SessionHandle, pin []byte) error {
	limit := s.limits.call
	if pin == nil { // it is typed at the token's pad
		limit = s.limits.pad
	}
	_, err := bounded(ctx, limit, s.token.String(), func() (struct{}, error) {
		defer clear(pin)
		if err := ctx.Err(); err != nil {
			return struct{}{}, err
		}
		if err := s.sameToken(); err != nil {
			return struct{}{}, err
		}
		return struct{}{}, called("C_Login", s.lib.ctx.Login(first, pkcs11.CKU_USER, pin))
	})
	return err
}

func isWrongPIN(err error) bool { return isCode(err, wrongPIN...) }

// pinAllowed refuses the try that could lock the token for good, unless it is
// the token that was named for it.
func (s *store) pinAllowed(d signer.Device) error {
	switch {
	case d.PINLocked:
		return fmt.Errorf("%w: %s: its PIN is locked after too many wrong ones; no PIN was tried. "+
			"Its security officer can set a new one: "+
			"pkcs11-tool --module %s --token-label %s --login --login-type so --init-pin",
			signer.ErrUnavailable, s.token, s.objects.module, s.objects.label)
	case d.PINFinalTry && (d.Serial == "" || d.Serial != s.options.FinalTry):
		return fmt.Errorf("%w: %s: %w; no PIN was tried. "+
			"To go on, enter the right PIN once in another program, which sets the count back: "+
			"pkcs11-tool --module %s --token-label %s --login --list-objects; "+
			"or have it tried here all the same, by the token's serial",
			signer.ErrUnavailable, s.token, signer.ErrFinalTry, s.objects.module, s.objects.label)
	case risky(d) && (d.Serial == "" || d.Serial != s.options.FinalTry):
		return fmt.Errorf("%w: %s: %w, as far as is known here: %d wrong PINs since the last right one are remembered "+
			"by this machine or on record, and the token does not tell of any; no PIN was tried. "+
			"To go on, enter the right PIN once in another program, which sets the token's count back: "+
			"pkcs11-tool --module %s --token-label %s --login --list-objects; then have it tried here, by the token's "+
			"serial",
			signer.ErrUnavailable, s.token, signer.ErrFinalTry, d.PINWrong, s.objects.module, s.objects.label)
	}
	return nil
}

// inShell quotes a word that people may paste into a shell; labels are whoever's
// who made the token.
func inShell(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }

// sameToken makes sure that the slot still holds the token the PIN was asked
// for: people change tokens while they are asked.
func (s *store) sameToken() error {
	info, err := s.lib.ctx.GetTokenInfo(s.token.slot)
	if err := called("C_GetTokenInfo", err); err != nil {
		return err
	}
	if info.Label != s.token.info.Label || info.SerialNumber != s.token.info.SerialNumber {
		return fmt.Errorf("its slot holds %s now", token{info: info})
	}
	if info.Flags&pkcs11.CKF_USER_PIN_TO_BE_CHANGED != 0 {
		return errors.New("its PIN has to be changed before it can be used")
	}
	return nil
}

// pin returns the PIN to try, for a login or the key that d names; nil is for a
// token with a pad of its own.
func (s *store) pin(ctx context.Context, d signer.Device) ([]byte, error) {
	switch {
	case s.pins.has:
		pin, err := s.pins.read(ctx)
		if err != nil {
			return nil, noPIN{err}
		}
		return pin, nil
	case d.PINPad:
		return nil, nil
	case s.ask == nil:
		return nil, fmt.Errorf("%w: it needs a PIN, and there is nobody to ask and no pin-source", signer.ErrUnavailable)
	}
	pin, err := s.ask(ctx, d)
	if err != nil {
		clear(pin)
		return nil, fmt.Errorf("its PIN: %w", err)
	}
	if len(pin) == 0 { // C_Login takes none for "ask at the pad"
		return nil, errors.New("its PIN: nothing was entered; no PIN was tried")
	}
	return pin, nil
}

// triesLeft says in words what the token's flags tell after a wrong PIN. Of one that
// tells, nothing has to be remembered.
func (l *library) triesLeft(slot uint, o Options, d signer.Device) string {
	const tells = pkcs11.CKF_USER_PIN_LOCKED | pkcs11.CKF_USER_PIN_FINAL_TRY | pkcs11.CKF_USER_PIN_COUNT_LOW
	info, err := l.ctx.GetTokenInfo(slot)
	if err == nil && info.Flags&tells != 0 && o.Tries != nil {
		o.Tries.Remember(d, 0)
	}
	switch {
	case err != nil:
		return "the token does not say how many tries are left"
	case info.Flags&pkcs11.CKF_USER_PIN_LOCKED != 0:
		return "the token is locked now"
	case info.Flags&pkcs11.CKF_USER_PIN_FINAL_TRY != 0:
		return "ONE TRY IS LEFT before the token locks"
	case info.Flags&pkcs11.CKF_USER_PIN_COUNT_LOW != 0:
		return "the token reports at least one wrong PIN since the last right one"
	}
	if o.Tries != nil {
		return fmt.Sprintf("the token does not tell how many tries are left; wrong PINs since the last right one, as far "+
			"as this machine knows: %d", d.PINWrong+1)
	}
	return "the token does not report a low count of tries"
}

func (l *library) sessionState(h pkcs11.SessionHandle) (uint, error) {
	state, err := l.ctx.SessionState(h)
	return state, called("C_GetSessionInfo", err)
}
