package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"officiant/bundle/durable"
	"officiant/cmd/internal/exit"
	"officiant/cmd/internal/output"
	"officiant/cmd/internal/terminal"
	"officiant/signer"
)

// touchyKey is a key on a token that is lost when a signature is broken off.
type touchyKey struct {
	signer.Key
	*ecdsa.PrivateKey
	sign func(ctx context.Context) ([]byte, error)
}

func (k touchyKey) Public() crypto.PublicKey { return k.PrivateKey.Public() }
func (k touchyKey) Info() signer.Info {
	return signer.Info{Label: "demo/root", Algorithm: signer.ECDSAP256, Grade: signer.Consistent}
}
func (k touchyKey) Sign(r io.Reader, digest []byte, o crypto.SignerOpts) ([]byte, error) {
	return k.PrivateKey.Sign(r, digest, o)
}
func (k touchyKey) SignContext(ctx context.Context, digest []byte, o crypto.SignerOpts) ([]byte, error) {
	if k.sign == nil {
		return k.PrivateKey.Sign(rand.Reader, digest, o)
	}
	return k.sign(ctx)
}

func touchy(t *testing.T, sign func(ctx context.Context) ([]byte, error)) touchyKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	return touchyKey{PrivateKey: k, sign: sign}
}

// TestRateInterrupted: Ctrl-C ends measuring, and breaks off no signature: the
// canary could not be destroyed any more.
func TestRateInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	k := touchy(t, func(ctx context.Context) ([]byte, error) {
		cancel()
		return nil, ctx.Err()
	})
	made, _, err := rate(ctx, k, 2, time.Hour)
	if !errors.Is(err, context.Canceled) || made == 0 {
		t.Errorf("%d signatures, %v", made, err)
	}
}

// oneKeyStore holds one key.
type oneKeyStore struct {
	signer.Store
	key signer.Key
}

func (s oneKeyStore) Find(context.Context, signer.Ref) (signer.Key, error) { return s.key, nil }

// TestChallengeUnanswered: only a wrong answer is a verification that failed.
func TestChallengeUnanswered(t *testing.T) {
	o := &options{Disk: &durable.Disk{}, Rand: rand.Reader, Now: time.Now}
	for _, c := range []struct {
		answer error
		want   int
	}{
		{nil, exit.Unverified}, {context.Canceled, exit.Interrupted}, {terminal.ErrNoTerminal, exit.Failure}, {signer.ErrPIN, exit.Unavailable},
	} {
		s := &signerTestOptions{signerOptions: signerOptions{options: o}}
		k := touchy(t, func(context.Context) ([]byte, error) { return []byte("no signature"), c.answer })
		err := s.try(t.Context(), oneKeyStore{key: k}, signer.Ref{}, &tested{})
		if code, _ := exit.Of(nil, err, exitCode); code != c.want {
			t.Errorf("%v: exit %d, want %d: %v", c.answer, code, c.want, err)
		}
	}
}

func (s oneKeyStore) Create(context.Context, signer.Ref, signer.Spec, signer.ID) (signer.Key, error) {
	return s.key, nil
}

// TestCreateOnLeakyToken shows a key as what its canary was, when a token that
// lets keys out is allowed by name.
func TestCreateOnLeakyToken(t *testing.T) {
	k := touchy(t, nil)
	for _, format := range []string{"table", "json"} {
		var out, talk bytes.Buffer
		o := &options{Stdout: &out, Stderr: &talk, Disk: &durable.Disk{}, Rand: rand.Reader, Now: time.Now}
		s := &signerCreateOptions{signerOptions: signerOptions{options: o, output: output.Format(format)}}
		must(t, s.make(t.Context(), oneKeyStore{key: k}, signer.Ref{}, signer.Spec{Algorithm: signer.ECDSAP256},
			signer.Unproven, "a canary got out: wrap: accepted"))
		if text := out.String(); strings.Contains(text, "consistent") || !strings.Contains(text, "unproven") || !strings.Contains(text, "wrap: accepted") {
			t.Errorf("%s: the key is shown as\n%s", format, text)
		}
	}
}
