package audit_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"officiant/ceremony"
	"officiant/ceremony/audit"
	"officiant/ceremony/ceremonytest"
	"officiant/signer"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// safe is a token whose keys a test can take out, to forge with.
type safe struct {
	mu   sync.Mutex
	keys map[string]*safeKey // by label, "demo/root"
}

func newSafe() *safe { return &safe{keys: map[string]*safeKey{}} }

func (s *safe) open(context.Context, signer.Ref, signer.PINFunc) (signer.Store, error) { return s, nil }
func (s *safe) Close() error                                                           { return nil }
func (s *safe) Describe() signer.Device                                                { return device }

var device = signer.Device{
	Backend: "pkcs11", Label: "safe", Serial: "1", Model: "SoftHSM v2", Manufacturer: "SoftHSM project", Software: true,
}

func (s *safe) Find(_ context.Context, ref signer.Ref) (signer.Key, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k, ok := s.keys[ref.Label]; ok {
		return k, nil
	}
	return nil, signer.ErrNotFound
}

func (s *safe) FindID(_ context.Context, _ signer.Ref, id signer.ID) (signer.Key, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.keys {
		if bytes.Equal(k.info.ID, id[:]) {
			return k, nil
		}
	}
	return nil, signer.ErrNotFound
}

func (s *safe) Create(_ context.Context, ref signer.Ref, spec signer.Spec, id signer.ID) (signer.Key, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key, err := newKey(spec.Algorithm)
	if err != nil {
		return nil, err
	}
	k := &safeKey{key, signer.Info{
		Device: device, Label: ref.Label, ID: id[:], Algorithm: spec.Algorithm, Grade: signer.Software, Reason: "software token",
		Attributes: map[string]string{
			"CKA_TOKEN": "true", "CKA_PRIVATE": "true", "CKA_SENSITIVE": "true", "CKA_EXTRACTABLE": "false",
			"CKA_ALWAYS_SENSITIVE": "true", "CKA_NEVER_EXTRACTABLE": "true", "CKA_LOCAL": "true", "CKA_SIGN": "true",
		},
	}}
	s.keys[ref.Label] = k
	return k, nil
}

// Probe says that the safe keeps what is in it.
func (s *safe) Probe(_ context.Context, _ signer.Ref, spec signer.Spec, _ signer.ID, _ func(context.Context, signer.Key) error) (signer.Canary, error) {
	return signer.Canary{
		Algorithm: spec.Algorithm, Attributes: map[string]string{"CKA_EXTRACTABLE": "false"},
		Trials: ceremonytest.Trials(""),
	}, nil
}

func newKey(a signer.Algorithm) (crypto.Signer, error) {
	switch a {
	case signer.ECDSAP256:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case signer.ECDSAP384:
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case signer.RSA2048:
		return rsa.GenerateKey(rand.Reader, 2048)
	}
	return nil, errors.New("no such key here")
}

type safeKey struct {
	crypto.Signer
	info signer.Info
}

func (k *safeKey) Info() signer.Info { return k.info }
func (k *safeKey) SignContext(_ context.Context, digest []byte, o crypto.SignerOpts) ([]byte, error) {
	return k.Sign(rand.Reader, digest, o)
}

// scene is a finished ceremony whose keys are at hand.
type scene struct {
	dir     string
	safe    *safe
	fixture *ceremonytest.Fixture
	result  *ceremony.Result
	edit    func(plan string) string // changes the plan of the next ceremony
}

// perform carries out a small ceremony: cp-1 with etcd, and a worker.
func perform(t testing.TB) *scene {
	t.Helper()
	return performShape(t, ceremonytest.Shape{Workers: 1})
}

// performP256 is perform with a root of P-256, of which a signature is verified in a
// tenth of P-384's time: for tests that audit it thousands of times.
func performP256(t testing.TB) *scene {
	t.Helper()
	return performShape(t, ceremonytest.Shape{Workers: 1, Root: signer.ECDSAP256})
}

func performShape(t testing.TB, shape ceremonytest.Shape) *scene {
	t.Helper()
	s := &scene{fixture: ceremonytest.New(t, shape), safe: newSafe(), dir: filepath.Join(t.TempDir(), "ceremony")}
	s.run(t)
	return s
}

func (s *scene) run(t testing.TB) {
	t.Helper()
	cfg := s.fixture.Config(t, s.dir)
	cfg.Open = s.safe.open
	result, err := ceremony.Run(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.result = result
}

// copy returns the same scene in another directory, to be spoiled.
func (s *scene) copy(t testing.TB) *scene {
	t.Helper()
	again := *s
	again.dir = filepath.Join(t.TempDir(), "ceremony")
	if err := os.CopyFS(again.dir, os.DirFS(s.dir)); err != nil {
		t.Fatal(err)
	}
	return &again
}

func (s *scene) key(name string) crypto.Signer { return s.safe.keys["demo/"+name].Signer }

func (s *scene) path(name string) string { return filepath.Join(s.dir, filepath.FromSlash(name)) }

func (s *scene) read(name string) []byte { return must(os.ReadFile(s.path(name))) }

func (s *scene) write(t testing.TB, name string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(s.path(name)), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.path(name), data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// files lists the directory's files.
func (s *scene) files(t testing.TB) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(s.dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			out = append(out, filepath.ToSlash(must(filepath.Rel(s.dir, path))))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// audit looks at the scene with the release key pinned.
func (s *scene) audit(t testing.TB) *audit.Report {
	t.Helper()
	return s.auditWith(t, audit.Options{Now: time.Now(), ReleaseKey: s.key("release").Public(), Root: &s.result.Root})
}

func (s *scene) auditWith(t testing.TB, o audit.Options) *audit.Report {
	t.Helper()
	r, err := audit.Verify(s.dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// wantFinding fails unless a finding has all the parts.
func wantFinding(t testing.TB, r *audit.Report, parts ...string) {
	t.Helper()
	if r.Verdict() == audit.Verified {
		t.Error("verified")
	}
	for _, f := range r.Findings() {
		if !slices.ContainsFunc(parts, func(p string) bool { return !strings.Contains(f, p) }) {
			return
		}
	}
	t.Errorf("no finding has %q; there are %d:\n%s", parts, len(r.Findings()), strings.Join(r.Findings(), "\n"))
}

// wantOnly fails unless every finding has one of the parts, and there is one.
func wantOnly(t testing.TB, r *audit.Report, parts ...string) {
	t.Helper()
	if len(r.Findings()) == 0 {
		t.Error("no finding")
	}
	for _, f := range r.Findings() {
		if !slices.ContainsFunc(parts, func(p string) bool { return strings.Contains(f, p) }) {
			t.Errorf("finding of something else: %s", f)
		}
	}
}
