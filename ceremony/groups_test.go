package ceremony_test

import (
	"context"
	"crypto"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"officiant/ceremony"
	"officiant/ceremony/ceremonytest"
	"officiant/ceremony/transcript"
	"officiant/signer"
)

// breaking is a token with two sessions whose kubernetes key fails for good
// after some signatures.
type breaking struct {
	signer.Store
	left *atomic.Int64
}

func (s *breaking) Sessions() int           { return 2 }
func (s *breaking) Describe() signer.Device { return s.Store.(signer.Describer).Describe() }

func (s *breaking) Create(ctx context.Context, ref signer.Ref, spec signer.Spec, id signer.ID) (signer.Key, error) {
	k, err := s.Store.Create(ctx, ref, spec, id)
	if err != nil || !strings.HasSuffix(ref.Label, "/kubernetes") {
		return k, err
	}
	return &breakingKey{k, s.left}, nil
}

type breakingKey struct {
	signer.Key
	left *atomic.Int64
}

var errBroken = errors.New("device error")

func (k *breakingKey) SignContext(ctx context.Context, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if k.left.Add(-1) < 0 {
		return nil, errBroken
	}
	return k.Key.SignContext(ctx, digest, opts)
}

// TestTokenBreaksBetweenGroups lets a token fail while it signs a group of
// certificates, with the intents of the next one on disk: what was signed is on
// record, nothing else is, and the same command goes on.
func TestTokenBreaksBetweenGroups(t *testing.T) {
	const workers = 300 // of 32, 256 and 12
	f := ceremonytest.New(t, ceremonytest.Shape{Workers: workers})
	for _, signatures := range []int64{20, 200, 295} {
		f.Tokens(t)
		dir := filepath.Join(t.TempDir(), "ceremony")
		cfg := f.Config(t, dir)
		open, left := cfg.Open, &atomic.Int64{}
		left.Store(1 + signatures) // one is the challenge's
		cfg.Open = func(ctx context.Context, ref signer.Ref, ask signer.PINFunc) (signer.Store, error) {
			s, err := open(ctx, ref, ask)
			if err != nil {
				return nil, err
			}
			return &breaking{s, left}, nil
		}
		if _, err := ceremony.Run(context.Background(), cfg); !errors.Is(err, errBroken) {
			t.Fatalf("after %d signatures: %v", signatures, err)
		}
		if got := issuedBy(t, dir, "kubernetes"); got != int(signatures) {
			t.Errorf("%d certificates on record of %d signatures", got, signatures)
		}
		// The last step of a run is the audit: chain, schedule, serials, bundles.
		if _, err := ceremony.Run(context.Background(), f.Config(t, dir)); err != nil {
			t.Fatalf("resume after %d signatures: %v", signatures, err)
		}
	}
}

// issuedBy counts an authority's leaves on record.
func issuedBy(t *testing.T, dir, authority string) (n int) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "transcript.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	record, err := transcript.Read("transcript.jsonl", data)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range record.Certificates() {
		if c.Signer == authority && !c.Certificate.IsCA {
			n++
		}
	}
	return n
}
