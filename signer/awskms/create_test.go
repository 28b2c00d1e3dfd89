package awskms

import (
	"context"
	"errors"
	"strings"
	"testing"

	"officiant/signer"
	"officiant/signer/awskms/awskmstest"
)

var (
	testKey = signer.ID{1, 2, 3, 15: 16}
	p256    = signer.Spec{Algorithm: signer.ECDSAP256}
)

// TestCreate: what is asked of AWS, and under which name.
func TestCreate(t *testing.T) {
	server := newKMS(t)
	const text = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow"}]}`
	s := opened(t, server, quick)
	ref := signer.Ref{URI: server.URI("") + "&policy=" + writePolicy(t, text), Label: "demo/root"}
	k, err := s.Create(t.Context(), ref, p256, testKey)
	if err != nil {
		t.Fatal(err)
	}
	info := k.Info()
	if info.Grade != signer.Software || info.Label != "demo/root" || signer.ID(info.ID) != testKey ||
		info.Attributes["Tag officiant:id"] != "01020300000000000000000000000010" || len(info.Attributes["Policy SHA-256"]) != 64 {
		t.Errorf("%+v", info)
	}
	if got := server.Policy("alias/officiant/demo/root"); got != text {
		t.Errorf("policy %q", got)
	}
	if d := s.Describe(); d.Label != "eu-central-1/111122223333" || d.Serial == "" {
		t.Errorf("%+v", d)
	}
	if k, err := s.Find(t.Context(), signer.Ref{URI: server.URI(info.Attributes["Arn"])}); err != nil || k.Info().Label != "demo/root" {
		t.Errorf("by ARN, without a label: %v", err)
	}
}

func TestCreateRefuses(t *testing.T) {
	server := newKMS(t)
	arn := server.Add("alias/a", "ECC_NIST_P256")
	s := opened(t, server, quick)
	for _, c := range []struct {
		name, uri string
		id        signer.ID
		is        error
		want      string
	}{
		{"the alias exists", server.URI("alias/a"), testKey, signer.ErrExists, "alias/a is " + arn},
		{"a key id", server.URI(arn), testKey, signer.ErrUnsupported, "name it by an alias"},
		{"no id", server.URI("alias/b"), signer.ID{}, nil, "zeros"},
		{"no policy", server.URI("alias/b") + "&policy=/absent", testKey, nil, "no such file"},
		{"a policy AWS refuses", server.URI("alias/b") + "&policy=" + writePolicy(t, `{"Statement":"malformed"}`), testKey, signer.ErrUnsupported, "look at the file behind policy="},
		{"another Region", "awskms:///alias/b?region=us-east-1", testKey, nil, "another Region"},
	} {
		_, err := s.Create(t.Context(), signer.Ref{URI: c.uri, Label: "demo/root"}, p256, c.id)
		says(t, c.name, err, c.is, c.want)
	}
	for fault, want := range map[awskmstest.Fault]string{
		awskmstest.Throttle: "throttled", awskmstest.Broken: "AWS KMS has failed", awskmstest.Deny: "allow kms:CreateKey", awskmstest.Cut: "connection broke",
	} {
		before := server.Count("CreateKey")
		server.Fail("CreateKey", fault, -1)
		_, err := s.Create(t.Context(), signer.Ref{URI: server.URI("alias/b"), Label: "demo/root"}, p256, testKey)
		says(t, string(fault), err, signer.ErrUnavailable, want)
		if n := server.Count("CreateKey") - before; (n > 1) != (fault == awskmstest.Throttle) { // nothing was done
			t.Errorf("%s: asked %d times to make a key", fault, n)
		}
	}
	if n := server.Keys(); n != 1 {
		t.Errorf("%d keys after refusals", n)
	}
	server.Fail("CreateKey", awskmstest.OtherAlgorithm, 1)
	_, err := s.Create(t.Context(), signer.Ref{URI: server.URI("alias/b"), Label: "demo/root"}, p256, testKey)
	says(t, "another kind of key", err, nil, "was made, but cannot be used", "ECDSA-P521, not ECDSA-P256")
	if _, err := s.Find(t.Context(), signer.Ref{URI: server.URI("alias/b")}); !errors.Is(err, signer.ErrNotFound) {
		t.Errorf("it got its alias all the same: %v", err)
	}
}

// TestInterrupted: wherever the making of a key breaks off, a second process
// finds that very key by its id, and from then on by its name.
func TestInterrupted(t *testing.T) {
	for _, c := range []struct {
		action string
		fault  awskmstest.Fault
	}{
		{"CreateKey", awskmstest.LoseAnswer},
		{"GetPublicKey", awskmstest.Broken},
		{"CreateAlias", awskmstest.Cut},
		{"CreateAlias", awskmstest.Throttle},
		{"CreateAlias", awskmstest.LoseAnswer},
	} {
		t.Run(c.action+" "+string(c.fault), func(t *testing.T) {
			server := newKMS(t)
			for _, alias := range []string{"alias/a", "alias/b", "alias/c"} {
				server.Tag(server.Add(alias, "ECC_NIST_P256"), "officiant:id", strings.Repeat(alias[6:], 32))
			}
			ref := signer.Ref{URI: server.URI(""), Label: "demo/root"}
			server.Fail(c.action, c.fault, -1)
			_, err := opened(t, server, quick).Create(t.Context(), ref, p256, testKey)
			says(t, c.action, err, signer.ErrUnavailable)
			server.Fail(c.action, "", 0)

			s := opened(t, server, quick)
			k, err := s.FindID(t.Context(), ref, testKey)
			if err != nil {
				t.Fatal(err)
			}
			if info := k.Info(); signer.ID(info.ID) != testKey || info.Label != "demo/root" || server.Keys() != 4 {
				t.Errorf("%+v, %d keys", info, server.Keys())
			}
			third := opened(t, server, quick)
			again, err := third.Find(t.Context(), ref)
			if err != nil || again.Info().Attributes["Arn"] != k.Info().Attributes["Arn"] {
				t.Errorf("by its alias: %v", err)
			}
			if _, err := third.Create(t.Context(), ref, p256, testKey); !errors.Is(err, signer.ErrExists) {
				t.Errorf("a second one: %v", err)
			}
			if _, err := signer.Challenge(t.Context(), k, again.Public(), make([]byte, signer.NonceSize)); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestNotYet: KMS does not know at once what it made.
func TestNotYet(t *testing.T) {
	server := newKMS(t)
	s := opened(t, server, quick)
	server.Fail("GetPublicKey", awskmstest.NotYet, 2)
	ref := signer.Ref{URI: server.URI(""), Label: "demo/root"}
	if _, err := s.Create(t.Context(), ref, p256, testKey); err != nil {
		t.Fatal(err)
	}
	server.Rename("alias/officiant/demo/root", "") // this one is late, too
	if _, err := s.Find(t.Context(), ref); err != nil {
		t.Errorf("in the store that made it: %v", err)
	}
	server.Fail("GetPublicKey", awskmstest.NotYet, -1)
	ctx, cancel := context.WithTimeout(t.Context(), soon.request)
	defer cancel()
	if _, err := s.Create(ctx, signer.Ref{URI: server.URI(""), Label: "demo/late"}, p256, signer.ID{1}); err == nil {
		t.Error("a key that KMS does not know is used")
	}
}

func TestFindID(t *testing.T) {
	server := newKMS(t)
	const tag = "01020300000000000000000000000010"
	arn := server.Add("alias/a", "ECC_NIST_P256")
	other := server.Add("alias/officiant/demo/root", "ECC_NIST_P256")
	server.Add("alias/c", "ECC_NIST_P256")
	s := opened(t, server, quick)
	ref := signer.Ref{URI: server.URI(""), Label: "demo/root"}

	_, err := s.FindID(t.Context(), ref, testKey)
	says(t, "no such tag", err, signer.ErrNotFound, tag)

	server.Fail("ListResourceTags", awskmstest.Deny, -1)
	_, err = s.FindID(t.Context(), ref, testKey)
	says(t, "tags that may not be read", err, signer.ErrUnavailable, "3 keys", "allow kms:ListResourceTags")
	server.Fail("ListResourceTags", "", 0)

	server.Fail("ListKeys", awskmstest.Deny, -1)
	_, err = s.FindID(t.Context(), ref, testKey)
	says(t, "no list", err, signer.ErrUnavailable, "allow kms:ListKeys")
	server.Fail("ListKeys", "", 0)

	server.Tag(arn, "project", "pki")
	server.Tag(arn, "team", "security")
	server.Tag(arn, "officiant:id", tag)
	_, err = s.FindID(t.Context(), ref, testKey)
	says(t, "the alias is another key's", err, signer.ErrExists, other, arn)

	k, err := s.FindID(t.Context(), signer.Ref{URI: server.URI("alias/a"), Label: "demo/root"}, testKey)
	if err != nil || k.Info().Attributes["Arn"] != arn {
		t.Errorf("by its own name: %v", err)
	}
	server.Tag("alias/c", "officiant:id", tag)
	_, err = s.FindID(t.Context(), signer.Ref{URI: server.URI("alias/new"), Label: "demo/root"}, testKey)
	says(t, "two of one id", err, signer.ErrAmbiguous, arn)
}
