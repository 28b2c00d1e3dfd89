package main

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"officiant/signer"
	"officiant/signer/awskms"
	"officiant/signer/awskms/awskmstest"
	"officiant/signer/gcpkms"
	"officiant/signer/gcpkms/gcpkmstest"
)

// cloudLeaves are few: the fakes are no clouds, and their rate is nobody's.
const cloudLeaves = 250

// cloud is a fake of one, in this process, reached over its real protocol.
type cloud struct {
	name      string
	uri       string
	variables map[string]string
	open      signer.Opener
	signed    func() int // signatures asked for so far
	host      *host
}

// host stands in for a test where a fake wants one.
type host struct {
	testing.TB
	ends []func()
}

func (h *host) Helper()          {}
func (h *host) Cleanup(f func()) { h.ends = append(h.ends, f) }
func (h *host) Fatal(a ...any)   { panic(fmt.Sprint(a...)) }
func (h *host) end() {
	for _, f := range slices.Backward(h.ends) {
		f()
	}
}

func (b *bench) amazon() (cloud, error) {
	h := &host{}
	s := awskmstest.New(h)
	variables, err := s.Environment(b.folder)
	return cloud{"AWS KMS", s.URI(""), variables, awskms.Open, func() int { return s.Count("Sign") }, h}, err
}

func (b *bench) google() (cloud, error) {
	h := &host{}
	s := gcpkmstest.New(h)
	return cloud{"Google KMS", s.Ring("bench"), nil, gcpkms.Open, func() int { return s.Calls("AsymmetricSign") }, h}, nil
}

// clouds measures whole ceremonies whose kubernetes key is in a fake of a cloud.
func (b *bench) clouds() error {
	b.printf("\nFakes of the clouds in this process: %d kubelet certificates. What a real one adds is the way to it.\n", min(b.n, cloudLeaves))
	b.printf("  %-12s %-12s", "KMS", "CA key")
	for _, n := range sessions {
		b.printf(" %9s", fmt.Sprintf("raw %d/s", n))
	}
	b.printf(" %8s %9s %7s %7s\n", "seconds", "leaves/s", "of raw", "calls")
	for _, start := range []func() (cloud, error){b.amazon, b.google} {
		for _, a := range []signer.Algorithm{signer.ECDSAP256, signer.RSA2048} {
			c, err := start()
			if err != nil {
				return err
			}
			err = b.cloud(c, a)
			c.host.end()
			if err != nil {
				return fmt.Errorf("fake %s: %w", c.name, err)
			}
		}
	}
	b.printf("  raw: signatures a second through the backend alone, by callers at once; calls: requests to\n")
	b.printf("  sign for each certificate.\n")
	return nil
}

func (b *bench) cloud(c cloud, a signer.Algorithm) error {
	n := min(b.n, cloudLeaves)
	planFile, err := b.cluster.workers(n, a)
	if err != nil {
		return err
	}
	t, err := b.newToken()
	if err != nil {
		return err
	}
	t.more = c.variables
	if err := t.addKey("kubernetes", c.uri); err != nil {
		return err
	}
	before := c.signed()
	r, err := b.conduct(planFile, t)
	if err != nil {
		return err
	}
	// Beside the leaves there is one challenge.
	calls := float64(c.signed()-before-1) / float64(n)
	raw, err := c.rates(a)
	if err != nil {
		return err
	}
	b.printf("  %-12s %-12s", c.name, a)
	for _, rate := range raw {
		b.printf(" %9.0f", rate)
	}
	took := seconds(r.took(issueStep))
	b.printf(" %8.3f %9.0f %6.0f%% %7.3f\n", took, float64(n)/took, 100*float64(n)/took/slices.Max(raw), calls)
	return t.remove()
}

// rates are the signatures the backend makes in a second with the key the
// ceremony made, by the number of callers.
func (c cloud) rates(a signer.Algorithm) (rates []float64, err error) {
	for name, value := range c.variables {
		if err := os.Setenv(name, value); err != nil {
			return nil, err
		}
	}
	ctx := context.Background()
	ref := signer.Ref{URI: c.uri, Label: "demo/kubernetes"}
	store, err := c.open(ctx, ref, nil)
	if err != nil {
		return nil, err
	}
	key, err := store.Find(ctx, ref)
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	for _, n := range sessions {
		var made atomic.Int64
		errs := make([]error, n)
		var callers sync.WaitGroup
		start := time.Now()
		for i := range n {
			callers.Go(func() {
				for errs[i] == nil && time.Since(start) < rawTime {
					_, errs[i] = key.SignContext(ctx, make([]byte, 32), crypto.SHA256)
					made.Add(1)
				}
			})
		}
		callers.Wait()
		if err := errors.Join(errs...); err != nil {
			return nil, errors.Join(err, store.Close())
		}
		rates = append(rates, float64(made.Load())/time.Since(start).Seconds())
	}
	return rates, store.Close()
}
