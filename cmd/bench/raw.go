//go:build cgo

package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/pkcs11"

	"officiant/signer"
)

// moduleVersion is what a PKCS#11 module says of itself.
func moduleVersion(module string) (version string, err error) {
	err = within(module, func(p *pkcs11.Ctx) error {
		info, err := p.GetInfo()
		version = fmt.Sprintf("%d.%d", info.LibraryVersion.Major, info.LibraryVersion.Minor)
		return err
	})
	return version, err
}

// within has a module loaded and initialised.
func within(module string, do func(*pkcs11.Ctx) error) error {
	p := pkcs11.New(module)
	if p == nil {
		return fmt.Errorf("PKCS#11 module %s cannot be loaded", module)
	}
	defer p.Destroy()
	if err := p.Initialize(); err != nil {
		return fmt.Errorf("PKCS#11 module %s: %w", module, err)
	}
	return errors.Join(do(p), p.Finalize())
}

// rawRates are the C_SignInit and C_Sign the token makes in a second with the
// kubernetes authority's key, through one of its modules, by the number of
// sessions.
func (t *token) rawRates(module string, a signer.Algorithm, each time.Duration, sessions ...int) (rates []float64, err error) {
	for name, value := range t.variables() {
		if err := os.Setenv(name, value); err != nil {
			return nil, err
		}
	}
	err = within(module, func(p *pkcs11.Ctx) error {
		slots, err := p.GetSlotList(true)
		if err != nil {
			return err
		}
		for _, n := range sessions {
			s, err := rawRate(p, slots[0], a, n, each)
			if err != nil {
				return err
			}
			rates = append(rates, s.rate)
		}
		return nil
	})
	return rates, err
}

func rawRate(p *pkcs11.Ctx, slot uint, a signer.Algorithm, n int, each time.Duration) (s speed, err error) {
	mechanism, digest := uint(pkcs11.CKM_ECDSA), make([]byte, 32)
	switch a {
	case signer.ECDSAP384:
		digest = make([]byte, 48)
	case signer.RSA2048, signer.RSA4096:
		mechanism, digest = pkcs11.CKM_RSA_PKCS, make([]byte, 51)
	}
	var handles []pkcs11.SessionHandle
	for range n {
		h, err := p.OpenSession(slot, pkcs11.CKF_SERIAL_SESSION)
		if err != nil {
			return s, fmt.Errorf("C_OpenSession: %w", err)
		}
		handles = append(handles, h)
	}
	defer p.CloseAllSessions(slot)
	if err := p.Login(handles[0], pkcs11.CKU_USER, pin); err != nil {
		return s, fmt.Errorf("C_Login: %w", err)
	}
	key, err := findKey(p, handles[0])
	if err != nil {
		return s, err
	}
	var made atomic.Int64
	errs := make([]error, n)
	var workers sync.WaitGroup
	m := measure()
	start := time.Now()
	for i, h := range handles {
		workers.Go(func() {
			for errs[i] == nil && time.Since(start) < each {
				if errs[i] = p.SignInit(h, []*pkcs11.Mechanism{pkcs11.NewMechanism(mechanism, nil)}, key); errs[i] == nil {
					_, errs[i] = p.Sign(h, digest)
				}
				made.Add(1)
			}
		})
	}
	workers.Wait()
	return m.speed(made.Load()), errors.Join(errs...)
}

func findKey(p *pkcs11.Ctx, h pkcs11.SessionHandle) (pkcs11.ObjectHandle, error) {
	err := p.FindObjectsInit(h, []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_PRIVATE_KEY), pkcs11.NewAttribute(pkcs11.CKA_LABEL, "demo/kubernetes"),
	})
	if err != nil {
		return 0, fmt.Errorf("C_FindObjectsInit: %w", err)
	}
	found, _, err := p.FindObjects(h, 2)
	if err := errors.Join(err, p.FindObjectsFinal(h)); err != nil {
		return 0, fmt.Errorf("C_FindObjects: %w", err)
	}
	if len(found) != 1 {
		return 0, fmt.Errorf("%d keys named demo/kubernetes", len(found))
	}
	return found[0], nil
}

// beside measures the bare token and the module's process by turns, P-256, with as many
// sessions as there are processors.
func (t *token) beside(module string, pairs int, each time.Duration) (all []pair, err error) {
	for range pairs {
		var p pair
		err := within(module, func(c *pkcs11.Ctx) error {
			slots, err := c.GetSlotList(true)
			if err == nil {
				p.raw, err = rawRate(c, slots[0], signer.ECDSAP256, runtime.NumCPU(), each)
			}
			return err
		})
		if err == nil {
			p.child, err = t.childRate(module, each)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}
