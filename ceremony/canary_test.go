package ceremony_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"officiant/ceremony"
	"officiant/ceremony/audit"
	"officiant/ceremony/ceremonytest"
	"officiant/signer"
)

// leakyStore is a token that says it keeps a key and gives it away when asked.
type leakyStore struct {
	signer.Store
	leaks  bool
	fail   error
	probed *[]signer.ID
}

func (s leakyStore) Describe() signer.Device { return s.Store.(signer.Describer).Describe() }

func (s leakyStore) Probe(_ context.Context, _ signer.Ref, spec signer.Spec, id signer.ID, _ func(context.Context, signer.Key) error) (signer.Canary, error) {
	*s.probed = append(*s.probed, id)
	if s.fail != nil {
		return signer.Canary{}, s.fail
	}
	leaks := ""
	if s.leaks {
		leaks = "wrap"
	}
	return signer.Canary{
		Algorithm: spec.Algorithm, Attributes: map[string]string{"CKA_EXTRACTABLE": "false"},
		Trials: ceremonytest.Trials(leaks),
	}, nil
}

// leaky makes the tokens of cfg leakyStores.
func leaky(cfg ceremony.Config, leaks bool, fail error) (ceremony.Config, *[]signer.ID) {
	open, probed := cfg.Open, &[]signer.ID{}
	cfg.Open = func(ctx context.Context, ref signer.Ref, ask signer.PINFunc) (signer.Store, error) {
		s, err := open(ctx, ref, ask)
		return leakyStore{s, leaks, fail, probed}, err
	}
	return cfg, probed
}

func record(t *testing.T, dir string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "transcript.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestLeakyTokenRefused: what the canary went through is on record, no key is
// made, and the same command does not try again and refuses again.
func TestLeakyTokenRefused(t *testing.T) {
	f := ceremonytest.New(t, ceremonytest.Shape{})
	dir := filepath.Join(t.TempDir(), "ceremony")
	for n, want := range []int{1, 0} {
		cfg, probed := leaky(f.Config(t, dir), true, nil)
		_, err := ceremony.Run(context.Background(), cfg)
		var refused *ceremony.Refused
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), `the kubernetes key is "unproven" (a canary of its template did not stay: wrap with CKM_AES_KEY_WRAP_PAD: accepted)`) {
			t.Fatalf("run %d: %v", n, err)
		}
		if len(*probed) != want {
			t.Errorf("run %d: %d canaries, want %d", n, len(*probed), want)
		}
		if r := record(t, dir); !strings.Contains(r, `"leaks":true`) || strings.Contains(r, `"type":"key-intent"`) {
			t.Errorf("run %d: the leak is not on record, or a key was to be made:\n%s", n, r)
		}
	}
	if n := keyObjects(t, f.Room); n != 0 {
		t.Errorf("%d key objects in the tokens", n)
	}
}

// TestLeakyTokenAllowed: a plan may allow it by name, and the grade says so.
func TestLeakyTokenAllowed(t *testing.T) {
	f := ceremonytest.New(t, ceremonytest.Shape{})
	text, err := os.ReadFile(f.PlanFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.PlanFile, []byte(strings.ReplaceAll(string(text), "evidence: software", "evidence: unproven")), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "ceremony")
	cfg, probed := leaky(f.Config(t, dir), true, nil)
	if _, err := ceremony.Run(context.Background(), cfg); err != nil {
		t.Fatal(err)
	}
	if len(*probed) != 2 {
		t.Errorf("%d canaries, want one of P-256 in one token and one of P-384 in the other", len(*probed))
	}
	r := record(t, dir)
	if n := strings.Count(r, `"grade":"unproven","reason":"a canary`); n != 5 {
		t.Errorf("%d keys graded by their canary, want 5", n)
	}
	report, err := audit.Verify(dir, audit.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(notes(report), "let a canary of ECDSA-P256 out") {
		t.Errorf("the audit does not say that a canary got out: %s", notes(report))
	}
}

func notes(r *audit.Report) string {
	var all []string
	for _, c := range r.Checks {
		all = append(all, c.Notes...)
	}
	return strings.Join(all, "\n")
}

// TestCanaryTakenUp: a canary whose end is not on record is tried again under
// the id on record, so that what was left of it is found.
func TestCanaryTakenUp(t *testing.T) {
	f := ceremonytest.New(t, ceremonytest.Shape{})
	dir := filepath.Join(t.TempDir(), "ceremony")
	cfg, first := leaky(f.Config(t, dir), false, errKilled)
	if _, err := ceremony.Run(context.Background(), cfg); !errors.Is(err, errKilled) {
		t.Fatal(err)
	}
	cfg, second := leaky(f.Config(t, dir), false, nil)
	if _, err := ceremony.Run(context.Background(), cfg); err != nil {
		t.Fatal(err)
	}
	if len(*first) != 1 || len(*second) != 2 || (*second)[0] != (*first)[0] {
		t.Errorf("ids %x, then %x", *first, *second)
	}
	if n := len(regexp.MustCompile(`"type":"canary-intent"`).FindAllString(record(t, dir), -1)); n != 2 {
		t.Errorf("%d canary intents, want 2", n)
	}
}

// TestStationWantsMore: the station may ask for better evidence than the plan.
func TestStationWantsMore(t *testing.T) {
	f := ceremonytest.New(t, ceremonytest.Shape{})
	text, err := os.ReadFile(f.Station)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.Station, append(text, "evidence: {etcd: consistent}\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = ceremony.Run(context.Background(), f.Config(t, filepath.Join(t.TempDir(), "ceremony")))
	var refused *ceremony.Refused
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), `the station asks for evidence "consistent" of the etcd key`) {
		t.Errorf("%v", err)
	}
}
