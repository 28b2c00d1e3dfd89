//go:build cgo

package pkcs11

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/miekg/pkcs11"
)

// pool holds the sessions of a token. They are opened when they are first
// needed, and the one used last is used next, so that few callers open few.
type pool struct {
	open  func() (pkcs11.SessionHandle, error)
	close func(pkcs11.SessionHandle) error

	tickets chan struct{} // the right to a session each
	mu      sync.Mutex
	idle    []pkcs11.SessionHandle
}

func newPool(first pkcs11.SessionHandle, size int, open func() (pkcs11.SessionHandle, error), close func(pkcs11.SessionHandle) error) *pool {
	p := &pool{open: open, close: close, tickets: make(chan struct{}, size), idle: []pkcs11.SessionHandle{first}}
	for range size {
		p.tickets <- struct{}{}
	}
	return p
}

// deviceSessions bounds the sessions with a token that says it has no limit.
// A device waits where software computes: more sessions than cores help it.
const deviceSessions = 16

// maxSessions bounds the sessions with any token.
const maxSessions = 64

// oneSession are modules, by what their makers call themselves, in which two
// sessions cannot work at once: tpm2-pkcs11 1.9 mixes them up (C_Sign answers
// CKR_OPERATION_NOT_INITIALIZED) and writes past its memory. A TPM does one
// thing at a time anyhow.
var oneSession = []string{"tpm2-software"}

// sessions is the size of the pool: all that a token allows when it says how
// many, else enough to keep it busy, and two at least where they are allowed.
func sessions(module pkcs11.Info, t pkcs11.TokenInfo, software bool, cores int) int {
	if slices.ContainsFunc(oneSession, func(maker string) bool { return strings.Contains(module.ManufacturerID, maker) }) {
		return 1
	}
	limit := maxSessions
	known := false
	for _, n := range []uint{t.MaxSessionCount, t.MaxRwSessionCount} {
		if n != pkcs11.CK_EFFECTIVELY_INFINITE && n != pkcs11.CK_UNAVAILABLE_INFORMATION {
			limit, known = min(limit, int(min(n, maxSessions))), true
		}
	}
	switch {
	case known:
		return max(1, limit)
	case software:
		return min(limit, max(2, cores))
	}
	return min(limit, max(deviceSessions, cores))
}

// wait waits for the right to a session; take must follow.
func (p *pool) wait(ctx context.Context) error {
	select {
	case <-p.tickets:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// take returns a session. When the token has no more of them than are open,
// against what it said, the pool gets smaller and the caller waits.
func (p *pool) take() (pkcs11.SessionHandle, error) {
	for {
		p.mu.Lock()
		if n := len(p.idle); n > 0 {
			h := p.idle[n-1]
			p.idle = p.idle[:n-1]
			p.mu.Unlock()
			return h, nil
		}
		p.mu.Unlock()
		h, err := p.open()
		if err == nil {
			return h, nil
		}
		if !isCode(err, pkcs11.CKR_SESSION_COUNT) {
			p.tickets <- struct{}{}
			return 0, err
		}
		<-p.tickets // the first session is there, so another one comes back
	}
}

// wedged are the codes after which a session may never work again: tpm2-pkcs11
// does not end a signature whose PIN was wrong.
var wedged = append([]uint{pkcs11.CKR_OPERATION_ACTIVE}, wrongPIN...)

// put gives a session back, or another one in its place.
func (p *pool) put(h pkcs11.SessionHandle, failed error) {
	if h, ok := p.renew(h, failed); ok {
		p.mu.Lock()
		p.idle = append(p.idle, h)
		p.mu.Unlock()
	}
	p.tickets <- struct{}{}
}

// renew replaces a session by a fresh one after a failed call, since some
// modules leave the operation open. Where the token has no more of them, the
// old one is used on, unless it is wedged: then there is none until the next
// caller opens one.
func (p *pool) renew(h pkcs11.SessionHandle, failed error) (pkcs11.SessionHandle, bool) {
	var call *callError
	if !errors.As(failed, &call) || isCode(failed, gone...) {
		return h, true
	}
	fresh, err := p.open()
	if err != nil && !isCode(failed, wedged...) {
		return h, true
	}
	_ = p.close(h) // it is of no use either way
	return fresh, err == nil
}

// rest takes every session but the caller's own, and the right to open one, until give:
// those that are returned are no longer the pool's.
func (p *pool) rest(ctx context.Context) (sessions []pkcs11.SessionHandle, give func(), err error) {
	taken := 0
	give = func() {
		for range taken {
			p.tickets <- struct{}{}
		}
	}
	for range cap(p.tickets) - 1 {
		if err := p.wait(ctx); err != nil {
			give()
			return nil, nil, err
		}
		taken++
	}
	return p.drain(), give, nil
}

// drain returns all sessions, when no caller is left.
func (p *pool) drain() []pkcs11.SessionHandle {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := p.idle
	p.idle = nil
	return all
}
