//go:build cgo

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"officiant/signer"
	"officiant/signer/pkcs11"
)

// childRate is how many signatures a second the same key makes through the
// module's own process, with as many callers as keep it busy.
func (t *token) childRate(module string, each time.Duration) (s speed, err error) {
	for name, value := range t.variables() {
		if err := os.Setenv(name, value); err != nil {
			return s, err
		}
	}
	ctx := context.Background()
	ref := signer.Ref{
		URI:   fmt.Sprintf("pkcs11:token=bench;serial=%s?module-path=%s&pin-source=file:%s", t.serial, module, t.pinFile),
		Label: "demo/kubernetes",
	}
	store, err := pkcs11.Open(ctx, ref, nil)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	key, err := store.Find(ctx, ref)
	if err != nil {
		return s, err
	}
	hash := signer.HashFor(key.Public())
	callers := store.(signer.Queued).Queue()
	errs := make([]error, callers)
	var made atomic.Int64
	var workers sync.WaitGroup
	m := measure()
	start := time.Now()
	for i := range callers {
		workers.Go(func() {
			digest := make([]byte, hash.Size())
			for errs[i] == nil && time.Since(start) < each {
				_, errs[i] = key.SignContext(ctx, digest, hash)
				made.Add(1)
			}
		})
	}
	workers.Wait()
	return m.speed(made.Load()), errors.Join(errs...)
}
