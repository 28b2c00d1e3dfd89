package online

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"officiant/signer"
)

// Keys are the keys of the authorities, and of the journal, by name.
type Keys interface {
	// Key returns a key that is ready to sign, or why it is not there.
	Key(ctx context.Context, name string) (signer.Key, error)
	// Lost says that a key did not answer: what is open is closed, and opened anew
	// when a key is asked for next, though not at once.
	Lost(err error)
	Close() error
}

// retry is how long after a failure a token is left alone.
const retry = 2 * time.Second

// Tokens opens tokens and KMS as their keys are needed. It is safe for concurrent use.
type Tokens struct {
	Open signer.Opener
	Ref  func(name string) (signer.Ref, error)
	Now  func() time.Time

	mu      sync.Mutex
	stores  map[string]signer.Store // by token
	keys    map[string]signer.Key
	failed  error
	failure time.Time
	refused error // a PIN was refused: nothing is tried any more
}

// Key implements Keys.
func (t *Tokens) Key(ctx context.Context, name string) (signer.Key, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if key, ok := t.keys[name]; ok {
		return key, nil
	}
	if t.refused != nil {
		return nil, t.refused
	}
	if t.failed != nil && t.Now().Sub(t.failure) < retry && !t.Now().Before(t.failure) {
		return nil, t.failed
	}
	key, err := t.find(ctx, name)
	if err != nil {
		t.failed, t.failure = err, t.Now()
		if errors.Is(err, signer.ErrPIN) || errors.Is(err, signer.ErrFinalTry) {
			t.refused = err
		}
		return nil, errors.Join(err, t.closeAll())
	}
	t.failed = nil
	t.keys[name] = key
	return key, nil
}

func (t *Tokens) find(ctx context.Context, name string) (signer.Key, error) {
	ref, err := t.Ref(name)
	if err != nil {
		return nil, err
	}
	token, err := signer.TokenOf(ref.URI)
	if err != nil {
		return nil, err
	}
	if t.stores == nil {
		t.stores, t.keys = map[string]signer.Store{}, map[string]signer.Key{}
	}
	store, ok := t.stores[token]
	if !ok {
		if store, err = t.Open(ctx, ref, nil); err != nil {
			return nil, fmt.Errorf("key %s: %w", name, err)
		}
		t.stores[token] = store
	}
	key, err := store.Find(ctx, ref)
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", name, err)
	}
	return key, nil
}

// Probe finds a key in its open token again, and returns it. A key that is not found, or a
// token that does not answer, is Lost.
func (t *Tokens) Probe(ctx context.Context, name string) (signer.Key, error) {
	t.mu.Lock()
	_, had := t.keys[name]
	delete(t.keys, name)
	t.mu.Unlock()
	key, err := t.Key(ctx, name)
	if err != nil && had {
		t.Lost(err)
	}
	return key, err
}

// Lost implements Keys.
func (t *Tokens) Lost(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failed, t.failure = err, t.Now()
	_ = t.closeAll() // it is gone already
}

// Close implements Keys.
func (t *Tokens) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.closeAll()
}

func (t *Tokens) closeAll() error {
	var errs []error
	for _, s := range t.stores {
		errs = append(errs, s.Close())
	}
	t.stores, t.keys = nil, nil
	return errors.Join(errs...)
}
