package awskms

import (
	"context"
	"crypto"
	"crypto/rsa"
	"errors"
	"strings"
	"testing"
	"time"

	"officiant/signer"
	"officiant/signer/awskms/awskmstest"
)

// says checks that err is a refusal of the kind, and names what happened.
func says(t *testing.T, name string, err, is error, want ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: accepted", name)
		return
	}
	if is != nil && !errors.Is(err, is) {
		t.Errorf("%s: %v, which is not %q", name, err, is)
	}
	for _, w := range want {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%s: %v, want %q", name, err, w)
		}
	}
}

func find(t *testing.T, s *store, uri string) signer.Key {
	t.Helper()
	k, err := s.Find(t.Context(), signer.Ref{URI: uri, Label: "demo/root"})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// transient are faults that may pass, after which the same digest is asked for
// again, for a while.
var transient = map[awskmstest.Fault]bool{
	awskmstest.Throttle: true, awskmstest.Broken: true, awskmstest.Cut: true, awskmstest.LoseAnswer: true,
}

// TestBriefFaults: what fails for a moment is tried again, inside the time there is.
func TestBriefFaults(t *testing.T) {
	patient := quick
	patient.retry = 20 * time.Second
	for fault := range transient {
		server := newKMS(t)
		server.Add("alias/a", "ECC_NIST_P256")
		k := find(t, opened(t, server, patient), server.URI("alias/a"))
		server.Fail("Sign", fault, 3)
		if _, err := k.SignContext(t.Context(), make([]byte, 32), crypto.SHA256); err != nil || server.Count("Sign") != 4 {
			t.Errorf("%s: %v after %d requests", fault, err, server.Count("Sign"))
		}
	}
	server := newKMS(t)
	s := opened(t, server, patient)
	server.Fail("CreateKey", awskmstest.Throttle, 2)
	server.Fail("CreateAlias", awskmstest.Throttle, 2)
	ref := signer.Ref{URI: server.URI("alias/new"), Label: "demo/root"}
	if _, err := s.Create(t.Context(), ref, signer.Spec{Algorithm: signer.ECDSAP256}, signer.ID{1}); err != nil {
		t.Errorf("a key whose making is throttled: %v", err)
	}
	server.Fail("CreateKey", awskmstest.LoseAnswer, 1)
	ref = signer.Ref{URI: server.URI("alias/other"), Label: "demo/other"}
	if _, err := s.Create(t.Context(), ref, signer.Spec{Algorithm: signer.ECDSAP256}, signer.ID{2}); err == nil ||
		server.Count("CreateKey") != 4 {
		t.Errorf("a key that may have been made is made again: %v, %d requests", err, server.Count("CreateKey"))
	}
}

// TestSignFaults: whatever goes wrong with a signature, there is none, KMS was
// asked once, or again where the fault may pass, and the error says what it was.
func TestSignFaults(t *testing.T) {
	pss := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}
	for _, c := range []struct {
		fault awskmstest.Fault
		is    error
		want  []string
	}{
		{awskmstest.FlipBit, nil, []string{"does not verify", "damaged"}},
		{awskmstest.OtherKey, nil, []string{"does not verify", "another key"}},
		{awskmstest.OtherKeyID, nil, []string{"from another key", "arn:aws:kms:"}},
		{awskmstest.OtherAlgorithm, nil, []string{`"RSASSA_PSS_SHA_1"`}},
		{awskmstest.WrongSalt, nil, []string{"salt", "32 bytes"}},
		{awskmstest.Throttle, signer.ErrUnavailable, []string{"throttled", "Rate exceeded", "wait a minute"}},
		{awskmstest.Deny, signer.ErrUnavailable, []string{"denied", "user/mallory", "allow kms:Sign"}},
		{awskmstest.Strange, signer.ErrUnavailable, []string{"credentials not accepted", "aws sts get-caller-identity"}},
		{awskmstest.Expired, signer.ErrUnavailable, []string{"credentials have expired", "aws sso login"}},
		{awskmstest.Skewed, signer.ErrUnavailable, []string{"clock is wrong", "timedatectl"}},
		{awskmstest.WrongSecret, signer.ErrUnavailable, []string{"credentials not accepted"}},
		{awskmstest.Broken, signer.ErrUnavailable, []string{"AWS KMS has failed", "something went wrong"}},
		{awskmstest.Garbage, signer.ErrUnavailable, []string{"no answer that can be read"}},
		{awskmstest.Cut, signer.ErrUnavailable, []string{"connection broke", "run the same command again"}},
		{awskmstest.LoseAnswer, signer.ErrUnavailable, []string{"connection broke"}},
		{awskmstest.Slow, signer.ErrUnavailable, []string{"no answer in time", "run the same command again"}},
	} {
		t.Run(string(c.fault), func(t *testing.T) {
			server := newKMS(t)
			server.Add("alias/a", "RSA_2048")
			server.Add("alias/b", "RSA_2048")
			k := find(t, opened(t, server, soon), server.URI("alias/a"))
			kinds := []crypto.SignerOpts{crypto.SHA256, pss}
			if c.fault == awskmstest.WrongSalt {
				kinds = kinds[1:]
			}
			asked := 0
			for i, opts := range kinds {
				server.Fail("Sign", c.fault, -1)
				start := time.Now()
				sig, err := k.SignContext(t.Context(), make([]byte, 32), opts)
				says(t, string(c.fault), err, c.is, append(c.want, `"demo/root"`)...)
				if sig != nil {
					t.Error("a signature came with the error")
				}
				n := server.Count("Sign") - asked
				asked += n
				if passes := transient[c.fault]; passes != (n > 1) || n > 50 {
					t.Errorf("KMS was asked %d times for signature %d", n, i+1)
				}
				if d := time.Since(start); d > time.Minute {
					t.Errorf("it took %s", d)
				}
			}
			server.Fail("Sign", "", 0)
			if _, err := k.SignContext(t.Context(), make([]byte, 32), crypto.SHA256); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

// TestECDSAFaults does so for a key whose signatures are DER.
func TestECDSAFaults(t *testing.T) {
	server := newKMS(t)
	server.Add("alias/a", "ECC_NIST_P256")
	server.Add("alias/b", "ECC_NIST_P256")
	k := find(t, opened(t, server, soon), server.URI("alias/a"))
	for _, fault := range []awskmstest.Fault{awskmstest.FlipBit, awskmstest.OtherKey} {
		server.Fail("Sign", fault, -1)
		_, err := k.SignContext(t.Context(), make([]byte, 32), crypto.SHA256)
		says(t, string(fault), err, nil, "does not verify")
	}
	server.Fail("Sign", "", 0)
	before := server.Count("Sign")
	_, err := k.SignContext(t.Context(), make([]byte, 48), crypto.SHA384)
	says(t, "SHA-384 with P-256", err, signer.ErrUnsupported, "over SHA-256, not SHA-384")
	if server.Count("Sign") != before {
		t.Error("KMS was asked all the same")
	}
}

// TestCallerEnds: a slow KMS does not hold up a caller who has had enough.
func TestCallerEnds(t *testing.T) {
	server := newKMS(t)
	server.Add("alias/a", "ECC_NIST_P256")
	s := opened(t, server, quick)
	k := find(t, s, server.URI("alias/a"))
	server.Fail("Sign", awskmstest.Slow, -1)

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := k.SignContext(ctx, make([]byte, 32), crypto.SHA256)
	says(t, "deadline", err, signer.ErrUnavailable, "no answer in time")
	says(t, "deadline", err, context.DeadlineExceeded)

	ctx, cancel = context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	_, err = k.SignContext(ctx, make([]byte, 32), crypto.SHA256)
	says(t, "cancelled", err, context.Canceled)

	time.AfterFunc(50*time.Millisecond, func() { s.Close() })
	_, err = k.SignContext(t.Context(), make([]byte, 32), crypto.SHA256)
	says(t, "closed", err, signer.ErrUnavailable, "closed meanwhile")
}

// TestReads: reads are tried again, but not for long, and what cannot be
// explained is not accepted.
func TestReads(t *testing.T) {
	server := newKMS(t)
	server.Add("alias/a", "ECC_NIST_P256")
	server.Add("alias/b", "ECC_NIST_P256")
	for _, action := range []string{"DescribeKey", "GetPublicKey", "ListResourceTags"} {
		server.Fail(action, awskmstest.Throttle, 2)
		s := opened(t, server, quick)
		find(t, s, server.URI("alias/a"))
		before := server.Count(action)
		server.Fail(action, awskmstest.Throttle, -1)
		_, err := s.Find(t.Context(), signer.Ref{URI: server.URI("alias/b"), Label: "demo/root"})
		says(t, action, err, signer.ErrUnavailable, "throttled", action)
		if n := server.Count(action) - before; n != readTries {
			t.Errorf("%s: asked %d times", action, n)
		}
		server.Fail(action, "", 0)
	}
	s := opened(t, server, soon)
	for _, c := range []struct {
		action string
		fault  awskmstest.Fault
		is     error
		want   string
	}{
		{"DescribeKey", awskmstest.Deny, signer.ErrUnavailable, "allow kms:DescribeKey"},
		{"DescribeKey", awskmstest.Slow, signer.ErrUnavailable, "no answer in time"},
		{"DescribeKey", awskmstest.Cut, signer.ErrUnavailable, "connection broke"},
		{"GetPublicKey", awskmstest.OtherKeyID, nil, "about another key"},
		{"GetPublicKey", awskmstest.OtherAlgorithm, nil, "ECC_SECG_P256K1"},
		{"GetPublicKey", awskmstest.Deny, signer.ErrUnavailable, "allow kms:GetPublicKey"},
		{"GetPublicKey", awskmstest.Garbage, signer.ErrUnavailable, "no answer that can be read"},
	} {
		server.Fail(c.action, c.fault, -1)
		_, err := s.Find(t.Context(), signer.Ref{URI: server.URI("alias/a"), Label: "demo/root"})
		says(t, c.action+" "+string(c.fault), err, c.is, c.want)
		server.Fail(c.action, "", 0)
	}

	// Another key's public key: the handle is refused by the challenge.
	server.Fail("GetPublicKey", awskmstest.OtherKey, 1)
	k := find(t, s, server.URI("alias/a"))
	_, err := signer.Challenge(t.Context(), k, k.Public(), make([]byte, signer.NonceSize))
	says(t, "another public key", err, nil, "does not verify")
}

// TestPinned: an alias that is turned to another key does not turn an open store.
func TestPinned(t *testing.T) {
	server := newKMS(t)
	arn := server.Add("alias/a", "ECC_NIST_P256")
	other := server.Add("alias/b", "ECC_NIST_P256")
	s := opened(t, server, quick)
	first := find(t, s, server.URI("alias/a"))
	server.Rename("alias/a", other)
	for name, k := range map[string]signer.Key{"before": first, "after": find(t, s, server.URI("alias/a"))} {
		if k.Info().Attributes["Arn"] != arn {
			t.Errorf("opened %s the change: %s", name, k.Info().Attributes["Arn"])
		}
		if _, err := signer.Challenge(t.Context(), k, first.Public(), make([]byte, signer.NonceSize)); err != nil {
			t.Error(err)
		}
	}
	server.Fail("DescribeKey", awskmstest.OtherKeyID, -1)
	_, err := s.Find(t.Context(), signer.Ref{URI: server.URI("alias/a")})
	says(t, "another key's description", err, nil, "about another key, "+other)
	_, err = s.Find(t.Context(), signer.Ref{URI: server.URI(arn)})
	says(t, "another key's description, by ARN", err, nil, "about another key, "+other)
}
