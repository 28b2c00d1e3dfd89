//go:build cgo

package pkcs11

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/pkcs11"

	"officiant/signer"
	"officiant/signer/pkcs11/module"
)

// store is a token that is logged in to.
type store struct {
	lib     *library
	options Options
	limits  limits
	token   token
	device  signer.Device
	login   *login
	pool    *pool
	queue   queue

	pins    pinSource
	ask     signer.PINFunc
	refused atomic.Bool // the token did not accept a PIN of pins

	objects      objects
	maker        *maker
	attestations []*x509.Certificate // of the file that the URI names

	lost atomic.Pointer[loss] // set: the store is unavailable from now on

	mu     sync.RWMutex // closed against calls that begin
	closed bool
	calls  sync.WaitGroup // into the device, those left behind too
}

// loss is why a store became unavailable.
type loss struct{ cause error }

// Open is that of the zero Options.
func Open(ctx context.Context, ref signer.Ref, ask signer.PINFunc) (signer.Store, error) {
	return Options{}.Open(ctx, ref, ask)
}

// Open opens the token ref names and logs in to it with one try of one PIN:
// the pin-source's, or the one ask returns. It distinguishes a wrong PIN (signer.ErrPIN)
// and a token before its final try (signer.ErrFinalTry) from one that is absent,
// ambiguous, locked or silent; all but the first are signer.ErrUnavailable. The
// Store keeps ask for keys that require their PIN at each signature.
func (o Options) Open(ctx context.Context, ref signer.Ref, ask signer.PINFunc) (signer.Store, error) {
	a, err := parseURI(ref.URI)
	if err != nil {
		return nil, err
	}
	attestations, err := a.attestationsOf()
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	path, err := a.module()
	if err != nil {
		return nil, err
	}
	lib, err := bounded(ctx, o.limits().start(), "PKCS#11 module "+path,
		func() (*library, error) { return o.acquire(path) })
	if err != nil {
		return nil, err
	}
	s, err := o.open(ctx, lib, a, ask)
	if err == nil {
		s.attestations = attestations
		if isPIV(s.token.info) {
			return piv{s, slotted{s}}, nil
		}
		return s, nil
	}
	return nil, errors.Join(lib.naming(err), lib.release())
}

func (o Options) open(ctx context.Context, lib *library, a address, ask signer.PINFunc) (*store, error) {
	l := o.limits()
	t, err := bounded(ctx, l.call, "PKCS#11 module "+lib.path, func() (token, error) { return lib.find(a) })
	if err != nil {
		return nil, err
	}
	if err := t.ready(); err != nil {
		return nil, err
	}
	in := objects{lib.ctx, inShell(lib.path), inShell(t.device(lib).Label)}
	s := &store{
		lib: lib, options: o, limits: l, token: t, device: t.device(lib), login: lib.loginOf(t.slot),
		objects: in, maker: &maker{objects: in}, pins: a.pin, ask: ask,
	}
	first, err := bounded(ctx, l.call, t.String(), s.openSession)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", signer.ErrUnavailable, t, err)
	}
	if err := s.join(ctx, first); err != nil {
		if !failed(err) {
			err = errors.Join(err, called("C_CloseSession", lib.ctx.CloseSession(first)))
		}
		return nil, err
	}
	s.pool = newPool(first, sessions(lib.info, t.info, s.device.Software, runtime.GOMAXPROCS(0)), s.openUserSession, lib.ctx.CloseSession)
	return s, nil
}

func (s *store) openSession() (pkcs11.SessionHandle, error) {
	h, err := s.lib.ctx.OpenSession(s.token.slot, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
	return h, called("C_OpenSession", err)
}

// openUserSession opens a session that the login holds for. A token that lost
// it (it was reset, or its last session closed) would say of each private key
// that there is none.
func (s *store) openUserSession() (pkcs11.SessionHandle, error) {
	h, err := s.openSession()
	if err != nil {
		return 0, err
	}
	state, err := s.lib.sessionState(h)
	if err == nil && s.login.loggedIn(state) {
		return h, nil
	}
	_ = s.lib.ctx.CloseSession(h) // it is of no use either way
	if err == nil {
		err = called("C_OpenSession", pkcs11.Error(pkcs11.CKR_USER_NOT_LOGGED_IN))
	}
	return 0, err
}

// left reports whether err is of a call that did not end in time.
func left(err error) bool {
	var ours *leftBehind
	var late *module.Late
	return errors.As(err, &ours) || errors.As(err, &late)
}

// Describe says which token it is; the PIN's state is that before the login.
func (s *store) Describe() signer.Device { return s.device }

// Sessions is how many signatures the token makes at once.
func (s *store) Sessions() int { return cap(s.pool.tickets) }

// within runs f on a session of the token, until ctx or the limit ends. An
// answer that tells that the token is gone, and a deadline, make the store
// unavailable for good: what a token holds after either is not known.
func within[T any](ctx context.Context, s *store, limit time.Duration, f func(pkcs11.SessionHandle) (T, error)) (
	T, error) {
	return onSession(ctx, s, limit, func(ctx context.Context) (context.Context, context.CancelFunc) {
		return ctx, func() {}
	}, f)
}

// writing is within for an f that may write to the token: once f has begun,
// whoever cancels ctx waits for it, and its deadline and the limit hold.
func writing[T any](ctx context.Context, s *store, limit time.Duration, f func(pkcs11.SessionHandle) (T, error)) (
	T, error) {
	return onSession(ctx, s, limit, unhurried, f)
}

// onSession waits for a session by ctx, and for f by what wait makes of it.
func onSession[T any](ctx context.Context, s *store, limit time.Duration,
	wait func(context.Context) (context.Context, context.CancelFunc), f func(pkcs11.SessionHandle) (T, error)) (T, error) {
	var none T
	if err := ctx.Err(); err != nil {
		return none, fmt.Errorf("%s: %w", s.token, err) // nothing was asked, nothing is lost
	}
	if err := s.begin(); err != nil {
		return none, err
	}
	ctx, cancel := context.WithTimeout(ctx, limit+limit/4) // as in bounded
	defer cancel()
	if err := s.pool.wait(ctx); err != nil {
		s.calls.Done()
		return none, s.judge(err)
	}
	until, done := wait(ctx)
	defer done()
	v, err := await(until, s.token.String(), func() (T, error) {
		defer s.calls.Done()
		h, err := s.pool.take()
		if err != nil {
			return none, err
		}
		if err := ctx.Err(); err != nil { // take may have waited
			s.pool.put(h, err)
			return none, err
		}
		v, err := f(h)
		s.pool.put(h, err)
		return v, err
	})
	if err != nil {
		return none, s.judge(err)
	}
	return v, nil
}

// begin counts a call in, unless the store is closed or lost.
func (s *store) begin() error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return fmt.Errorf("%w: %s: closed", signer.ErrUnavailable, s.token)
	}
	if l := s.lost.Load(); l != nil {
		return fmt.Errorf("%w: %s: given up after an earlier failure: %v", signer.ErrUnavailable, s.token, l.cause)
	}
	s.calls.Add(1)
	return nil
}

// judge wraps an error of the device and remembers one that is final.
func (s *store) judge(err error) error {
	switch {
	case left(err):
		var late *module.Late
		if errors.As(err, &late) {
			err = fmt.Errorf("%w: %s: %w", signer.ErrUnavailable, s.token, err)
		}
		err = s.lib.naming(err)
		if writing := s.lib.ctx.Writing(); writing != nil {
			err = fmt.Errorf("%w; %w", err, writing)
		}
	case errors.Is(err, context.DeadlineExceeded):
		err = &leftBehind{device: s.token.String(), cause: err}
	case failed(err), isCode(err, gone...):
		err = fmt.Errorf("%w: %s: %w", signer.ErrUnavailable, s.token, err)
	default:
		return fmt.Errorf("%s: %w", s.token, err)
	}
	s.lost.CompareAndSwap(nil, &loss{err})
	return err
}

// closeWait is how long Close waits for signatures in hand.
const closeWait = 5 * time.Second

// Close closes the sessions and, after the last Store of the token, logs out.
// It waits for calls in hand, but not for a device that hangs: then, and when
// its process has ended, the module is given up as it is, and the error says
// whether its process is left alone. Closing twice is allowed.
func (s *store) Close() error {
	s.mu.Lock()
	was := s.closed
	s.closed = true
	s.mu.Unlock()
	if was {
		return nil
	}
	if l := s.lost.Load(); l != nil && failed(l.cause) {
		return s.abandon()
	}
	idle := make(chan struct{})
	go func() {
		s.calls.Wait()
		close(idle)
	}()
	timer := time.NewTimer(closeWait)
	defer timer.Stop()
	select {
	case <-idle:
		return s.shutdown()
	case <-timer.C:
		return s.abandon()
	}
}

// abandon gives up a token in which a call hangs, or whose module has ended.
func (s *store) abandon() error {
	err := s.lib.release()
	var left *module.Left
	if err == nil || errors.As(err, &left) && s.lost.Load() != nil { // the call itself has said so
		return nil
	}
	return fmt.Errorf("%s: %w", s.token, err)
}

// shutdown gives everything back. A token that is gone cannot be closed, which
// is no failure of what was done with it before.
func (s *store) shutdown() error {
	sessions := s.pool.drain()
	errs := []error{s.leave(sessions)}
	for _, h := range sessions {
		errs = append(errs, called("C_CloseSession", s.lib.ctx.CloseSession(h)))
	}
	if s.lost.Load() != nil {
		errs = nil
	}
	err := errors.Join(append(errs, s.lib.release())...)
	if err != nil {
		return fmt.Errorf("%s: %w", s.token, err)
	}
	return nil
}
