package ceremony_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"officiant/ceremony"
	"officiant/ceremony/ceremonytest"
	"officiant/signer"
)

// weakStore answers for its keys with evidence that proves nothing.
type weakStore struct {
	signer.Store
	weak *bool // for as long as this is true
}

func (s weakStore) Describe() signer.Device { return s.Store.(signer.Describer).Describe() }

func (s weakStore) Find(ctx context.Context, ref signer.Ref) (signer.Key, error) {
	return s.key(s.Store.Find(ctx, ref))
}

func (s weakStore) FindID(ctx context.Context, ref signer.Ref, id signer.ID) (signer.Key, error) {
	return s.key(s.Store.(signer.IDFinder).FindID(ctx, ref, id))
}

func (s weakStore) Create(ctx context.Context, ref signer.Ref, spec signer.Spec, id signer.ID) (signer.Key, error) {
	return s.key(s.Store.Create(ctx, ref, spec, id))
}

func (s weakStore) key(k signer.Key, err error) (signer.Key, error) {
	if err != nil || !*s.weak {
		return k, err
	}
	return weakKey{k}, nil
}

type weakKey struct{ signer.Key }

func (k weakKey) Info() signer.Info {
	i := k.Key.Info()
	i.Grade, i.Reason = signer.Unproven, "CKA_EXTRACTABLE is true"
	return i
}

// TestRefusedKeyStaysRefused shows that a key whose evidence is too weak signs
// nothing, also when the same command runs again and finds it on record, and
// when its token then tells another story.
func TestRefusedKeyStaysRefused(t *testing.T) {
	f := ceremonytest.New(t, ceremonytest.Shape{})
	dir := filepath.Join(t.TempDir(), "ceremony")
	for _, weak := range []bool{true, true, false} {
		cfg := f.Config(t, dir)
		open := cfg.Open
		cfg.Open = func(ctx context.Context, ref signer.Ref, ask signer.PINFunc) (signer.Store, error) {
			s, err := open(ctx, ref, ask)
			return weakStore{s, &weak}, err
		}
		_, err := ceremony.Run(context.Background(), cfg)
		wantWeak(t, err)
		record, err := os.ReadFile(filepath.Join(dir, "transcript.jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		for _, kind := range []string{"challenge-intent", "intent", "issued"} {
			if strings.Contains(string(record), `"type":"`+kind+`"`) {
				t.Errorf("a refused key was used: there is a line of type %s", kind)
			}
		}
	}
}

// TestKeyThatWeakened shows that evidence is looked at in every process.
func TestKeyThatWeakened(t *testing.T) {
	f := ceremonytest.New(t, ceremonytest.Shape{})
	// All keys are on record by then, and none has to be made any more.
	dir := killedAt(t, f, slices.Index(eventsOf(t, f), "create transcript.sig")+1)
	cfg, weak := f.Config(t, dir), true
	open := cfg.Open
	cfg.Open = func(ctx context.Context, ref signer.Ref, ask signer.PINFunc) (signer.Store, error) {
		s, err := open(ctx, ref, ask)
		return weakStore{s, &weak}, err
	}
	_, err := ceremony.Run(context.Background(), cfg)
	wantWeak(t, err)
}

func wantWeak(t *testing.T, err error) {
	t.Helper()
	var refused *ceremony.Refused
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), "CKA_EXTRACTABLE is true") {
		t.Fatalf("want a refusal of the key's evidence, got %v", err)
	}
}
