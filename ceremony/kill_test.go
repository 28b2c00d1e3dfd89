package ceremony_test

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"officiant/bundle/durable"
	"officiant/ceremony"
	"officiant/ceremony/ceremonytest"
	"officiant/signer"
)

var errKilled = errors.New("killed")

// killer stops everything at the nth event: from then on no file operation and
// no call into a token happens, as after kill -9. A write dies half way.
type killer struct {
	at, n  int
	events []string
	on     func(what string) // told of each; nil: nobody is
}

func (k *killer) event(what string) error {
	k.n++
	k.events = append(k.events, what)
	if k.on != nil {
		k.on(what)
	}
	if k.at > 0 && k.n >= k.at {
		return errKilled
	}
	return nil
}

func (k *killer) gate(op durable.Op, path string) error {
	err := k.event(fmt.Sprintf("%s %s", op, filepath.Base(path)))
	if err != nil && op == "write" && k.n == k.at {
		return durable.ErrTorn
	}
	return err
}

// open wraps a backend so that each call into the token is two events: before
// it is asked, and after it has answered but nobody heard.
func (k *killer) open(open signer.Opener) signer.Opener {
	return func(ctx context.Context, ref signer.Ref, ask signer.PINFunc) (signer.Store, error) {
		if err := k.event("before login"); err != nil {
			return nil, err
		}
		s, err := open(ctx, ref, ask)
		if err != nil {
			return nil, err
		}
		if err := k.event("after login"); err != nil {
			s.Close()
			return nil, err
		}
		return &mortalStore{s, k}, nil
	}
}

type mortalStore struct {
	signer.Store
	k *killer
}

func (s *mortalStore) Describe() signer.Device { return s.Store.(signer.Describer).Describe() }

func (s *mortalStore) Find(ctx context.Context, ref signer.Ref) (signer.Key, error) {
	return s.guard("find "+ref.Label, func() (signer.Key, error) { return s.Store.Find(ctx, ref) })
}

func (s *mortalStore) FindID(ctx context.Context, ref signer.Ref, id signer.ID) (signer.Key, error) {
	return s.guard("find id "+ref.Label, func() (signer.Key, error) { return s.Store.(signer.IDFinder).FindID(ctx, ref, id) })
}

func (s *mortalStore) Create(ctx context.Context, ref signer.Ref, spec signer.Spec, id signer.ID) (signer.Key, error) {
	return s.guard("create "+ref.Label, func() (signer.Key, error) { return s.Store.Create(ctx, ref, spec, id) })
}

func (s *mortalStore) Probe(ctx context.Context, ref signer.Ref, spec signer.Spec, id signer.ID, use func(context.Context, signer.Key) error) (signer.Canary, error) {
	what := "probe of " + string(spec.Algorithm)
	if err := s.k.event("before " + what); err != nil {
		return signer.Canary{}, err
	}
	canary, err := s.Store.(signer.Prober).Probe(ctx, ref, spec, id, use)
	if err != nil {
		return canary, err
	}
	return canary, s.k.event("after " + what)
}

func (s *mortalStore) guard(what string, call func() (signer.Key, error)) (signer.Key, error) {
	if err := s.k.event("before " + what); err != nil {
		return nil, err
	}
	key, err := call()
	if err != nil {
		return nil, err
	}
	if err := s.k.event("after " + what); err != nil {
		return nil, err
	}
	return &mortalKey{key, s.k}, nil
}

type mortalKey struct {
	signer.Key
	k *killer
}

func (m *mortalKey) SignContext(ctx context.Context, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if err := m.k.event("before sign " + m.Info().Label); err != nil {
		return nil, err
	}
	sig, err := m.Key.SignContext(ctx, digest, opts)
	if err != nil {
		return nil, err
	}
	return sig, m.k.event("after sign " + m.Info().Label)
}

// mortal is a configuration whose process dies at the killer's event.
func mortal(cfg ceremony.Config, k *killer) ceremony.Config {
	cfg.Disk = &durable.Disk{Gate: k.gate}
	cfg.Open = k.open(cfg.Open)
	cfg.Workers = 1 // one order of events in every run
	return cfg
}

// eventsOf are the events of a whole ceremony; the tokens are new again after it.
func eventsOf(t *testing.T, f *ceremonytest.Fixture) []string {
	t.Helper()
	whole := &killer{}
	_, err := ceremony.Run(t.Context(), mortal(f.Config(t, filepath.Join(t.TempDir(), "whole")), whole))
	must(t, err)
	f.Tokens(t)
	return whole.events
}

// killedAt is the directory of a ceremony whose process died at an event, counted from 1.
func killedAt(t *testing.T, f *ceremonytest.Fixture, at int) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "ceremony")
	if _, err := ceremony.Run(t.Context(), mortal(f.Config(t, dir), &killer{at: at})); err == nil {
		t.Fatalf("the ceremony finished although it was killed at event %d", at)
	}
	return dir
}

// TestKilledAtEveryInstant goes on with what a ceremony that is killed at each write,
// sync, rename and before and after each call into the token leaves behind. SoftHSM's
// own login, which rewrites the token's file, is one event. At each 21st the process
// itself is stopped there, so that its way out is walked as well.
func TestKilledAtEveryInstant(t *testing.T) {
	f := ceremonytest.New(t, ceremonytest.Shape{Root: signer.ECDSAP256})
	all, whole, err := snapshotsOf(t, f, f.Config(t, filepath.Join(t.TempDir(), "whole")),
		func(at int, _ string) bool { return !testing.Short() || at%7 == 0 })
	must(t, err)
	t.Logf("%d events, %d snapshots", whole.n, len(all))
	for _, s := range all {
		t.Run(s.String(), func(t *testing.T) { finishes(t, s.resumed(t, f), s.dir) })
		if s.at%21 == 0 {
			t.Run("stopped at "+s.String(), func(t *testing.T) { killAndResume(t, *f, s.at) })
		}
	}
}

func killAndResume(t *testing.T, f ceremonytest.Fixture, at int) {
	f.Tokens(t)
	finishes(t, &f, killedAt(t, &f, at))
}

// finishes goes on with a ceremony.
func finishes(t *testing.T, f *ceremonytest.Fixture, dir string) {
	t.Helper()
	// The last step of a run is the audit: chain, schedule, serials, keys, bundles.
	if _, err := ceremony.Run(context.Background(), f.Config(t, dir)); err != nil {
		t.Fatalf("resume: %v", err)
	}
	if n := keyObjects(t, f.Room); n != 2*5 {
		t.Errorf("%d key objects in the tokens, want the two halves of five keys: one was made twice", n)
	}
}

// keyObjects counts the objects SoftHSM keeps in its tokens' folders.
func keyObjects(t *testing.T, room string) int {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(room, "tokens", "*", "*.object"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, f := range files {
		if filepath.Base(f) != "token.object" {
			n++
		}
	}
	return n
}
