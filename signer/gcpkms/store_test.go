package gcpkms

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"officiant/signer"
	"officiant/signer/gcpkms/gcpkmstest"
	"officiant/signer/signertest"
)

func TestConformance(t *testing.T) {
	signertest.Run(t, func(t *testing.T) (signer.Store, func(string) signer.Ref) {
		fake := gcpkmstest.New(t)
		ref := func(label string) signer.Ref { return signer.Ref{URI: fake.Ring("suite"), Label: label} }
		store, err := Open(t.Context(), ref("demo/root"), nil)
		if err != nil {
			t.Fatal(err)
		}
		return store, ref
	}, signer.ECDSAP256, signer.ECDSAP384, signer.RSA2048, signer.RSA3072, signer.RSA4096)
}

// quick makes waits short.
func quick() limits {
	return limits{call: 10 * time.Second, generate: 10 * time.Second, poll: time.Millisecond, retry: 20 * time.Millisecond}
}

func openQuick(t *testing.T, uri string) *store {
	t.Helper()
	a, err := parseURI(uri)
	if err != nil {
		t.Fatal(err)
	}
	s, err := open(t.Context(), a, quick())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func newID(t *testing.T) (id signer.ID) {
	t.Helper()
	if _, err := rand.Read(id[:]); err != nil {
		t.Fatal(err)
	}
	return id
}

// made is a fake with one key, and the store it was made in.
func made(t *testing.T, a signer.Algorithm) (*gcpkmstest.Fake, *store, *key, signer.ID) {
	t.Helper()
	fake := gcpkmstest.New(t)
	s := openQuick(t, fake.Ring("room"))
	id := newID(t)
	k, err := s.Create(t.Context(), signer.Ref{URI: fake.Ring("room"), Label: "demo/root"}, signer.Spec{Algorithm: a}, id)
	if err != nil {
		t.Fatal(err)
	}
	return fake, s, k.(*key), id
}

func refuses(t *testing.T, err error, is error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("not refused: want %q", parts)
		return
	}
	if is != nil && !errors.Is(err, is) {
		t.Errorf("%v: want it to be %q", err, is)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%v: does not say %q", err, part)
		}
	}
	if strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' }) {
		t.Errorf("%q: a control character from outside", err)
	}
}

// TestSigningFaults: no answer that is wrong in any way comes through, and the
// refusal says which way. After it the key works again.
func TestSigningFaults(t *testing.T) {
	for _, algorithm := range []signer.Algorithm{signer.ECDSAP384, signer.RSA2048} {
		fake, _, k, _ := made(t, algorithm)
		name := k.place.versionName()
		hash := signer.HashFor(k.Public())
		digest := make([]byte, hash.Size())
		for fault, want := range map[gcpkmstest.Fault]struct {
			is   error
			says string
		}{
			gcpkmstest.FlippedBit:       {nil, "signature does not verify with the key's public key"},
			gcpkmstest.FlippedOnTheWay:  {nil, "signature's CRC32C is wrong"},
			gcpkmstest.AnotherKey:       {nil, "signature does not verify with the key's public key"},
			gcpkmstest.WrongCRC:         {nil, "signature's CRC32C is wrong"},
			gcpkmstest.NoCRC:            {nil, "no CRC32C of the signature"},
			gcpkmstest.DigestUnverified: {nil, "did not verify the digest's CRC32C"},
			gcpkmstest.AnotherVersion:   {nil, "another key or version"},
			gcpkmstest.AnotherLevel:     {nil, "protection level EXTERNAL, the key has HSM"},
			gcpkmstest.Throttled:        {signer.ErrUnavailable, "throttled"},
			gcpkmstest.Denied:           {signer.ErrUnavailable, "denied"},
			gcpkmstest.Unauthenticated:  {signer.ErrUnavailable, "gcloud auth application-default login"},
			gcpkmstest.Internal:         {signer.ErrUnavailable, "failed at Google"},
			gcpkmstest.Cut:              {signer.ErrUnavailable, "connection was cut"},
		} {
			t.Run(string(algorithm)+" "+string(fault), func(t *testing.T) {
				fake.Break(fault)
				before := fake.Calls("AsymmetricSign")
				sig, err := k.SignContext(t.Context(), digest, hash)
				refuses(t, err, want.is, want.says, name, `"demo/root"`, "next: ")
				if len(sig) > 0 {
					t.Error("a signature came through")
				}
				passes := fault == gcpkmstest.Throttled || fault == gcpkmstest.Internal || fault == gcpkmstest.Cut
				if n := fake.Calls("AsymmetricSign") - before; passes != (n > 1) {
					t.Errorf("asked %d times", n)
				}
				fake.Mend()
				if _, err := k.SignContext(t.Context(), digest, hash); err != nil {
					t.Errorf("after the fault: %v", err)
				}
			})
		}
	}
}

// TestBriefFaults: a signature that fails for a moment is asked for again.
func TestBriefFaults(t *testing.T) {
	fake, s, k, _ := made(t, signer.ECDSAP256)
	s.limits.retry = 20 * time.Second
	for _, fault := range []gcpkmstest.Fault{gcpkmstest.Throttled, gcpkmstest.Internal, gcpkmstest.Cut} {
		fake.Break(fault)
		time.AfterFunc(10*time.Millisecond, fake.Mend)
		if _, err := k.SignContext(t.Context(), make([]byte, 32), crypto.SHA256); err != nil {
			t.Errorf("%s: %v", fault, err)
		}
	}
}

// TestSlow: a call ends by itself, and at the caller's deadline.
func TestSlow(t *testing.T) {
	fake, _, k, _ := made(t, signer.ECDSAP256)
	fake.Break(gcpkmstest.Slow)
	k.store.limits.call = 50 * time.Millisecond
	_, err := k.Sign(nil, make([]byte, 32), crypto.SHA256)
	refuses(t, err, signer.ErrUnavailable, "did not answer in time", fake.Endpoint(), "next: ")

	k.store.limits.call = time.Minute
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = k.SignContext(ctx, make([]byte, 32), crypto.SHA256)
	refuses(t, err, signer.ErrUnavailable, "did not answer in time")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err = k.SignContext(ctx, make([]byte, 32), crypto.SHA256); !errors.Is(err, context.Canceled) || errors.Is(err, signer.ErrUnavailable) {
		t.Error(err)
	}
}

// TestPublicFaults: a public key that is not surely the version's is not taken.
func TestPublicFaults(t *testing.T) {
	fake, s, _, _ := made(t, signer.ECDSAP384)
	ref := signer.Ref{URI: fake.Ring("room"), Label: "demo/root"}
	for fault, want := range map[gcpkmstest.Fault]string{
		gcpkmstest.PublicWrongCRC:  "CRC32C is wrong",
		gcpkmstest.PublicNoCRC:     "no CRC32C",
		gcpkmstest.PublicOther:     "about another key or version",
		gcpkmstest.PublicLevel:     "protection level is EXTERNAL",
		gcpkmstest.PublicAlgorithm: "algorithm is EC_SIGN_ED25519",
		gcpkmstest.PublicGarbage:   "answer refused",
		gcpkmstest.PublicNoKey:     "it is not one PEM block PUBLIC KEY",
	} {
		fake.Break(fault)
		_, err := s.Find(t.Context(), ref)
		refuses(t, err, nil, want, "GetPublicKey", "next: ")
	}
	fake.Mend()
	if _, err := s.Find(t.Context(), ref); err != nil {
		t.Error(err)
	}
}

// TestStates: a version that cannot sign is refused when it is opened and, with
// the same words, when it changes under a key that is open.
func TestStates(t *testing.T) {
	fake, s, k, _ := made(t, signer.ECDSAP256)
	name := k.place.versionName()
	ref := signer.Ref{URI: fake.URI(name), Label: "demo/root"}
	for state, want := range map[kmspb.CryptoKeyVersion_CryptoKeyVersionState]struct {
		is   error
		says string
	}{
		kmspb.CryptoKeyVersion_DISABLED:                     {signer.ErrUnavailable, "is disabled; next: gcloud kms keys versions enable"},
		kmspb.CryptoKeyVersion_DESTROY_SCHEDULED:            {signer.ErrUnavailable, "scheduled for destruction at 2031-01-02T03:04:05Z; next, before that: gcloud kms keys versions restore"},
		kmspb.CryptoKeyVersion_DESTROYED:                    {signer.ErrNotFound, "was destroyed at 2031-01-02T03:04:06Z"},
		kmspb.CryptoKeyVersion_GENERATION_FAILED:            {signer.ErrUnavailable, `could not be generated: "no room"`},
		kmspb.CryptoKeyVersion_IMPORT_FAILED:                {signer.ErrUnsupported, "waits for an import"},
		kmspb.CryptoKeyVersion_PENDING_EXTERNAL_DESTRUCTION: {signer.ErrUnavailable, "PENDING_EXTERNAL_DESTRUCTION"},
	} {
		fake.Edit(t, name, func(_ *kmspb.CryptoKey, v *kmspb.CryptoKeyVersion) {
			v.State, v.GenerationFailureReason = state, "no room"
			v.DestroyTime = timestamppb.New(time.Date(2031, 1, 2, 3, 4, 5, 0, time.UTC))
			v.DestroyEventTime = timestamppb.New(time.Date(2031, 1, 2, 3, 4, 6, 0, time.UTC))
		})
		_, err := s.Find(t.Context(), ref)
		refuses(t, err, want.is, want.says, "next")
		_, err = k.SignContext(t.Context(), make([]byte, 32), crypto.SHA256)
		refuses(t, err, want.is, want.says, "next")
	}
}

// TestWhatIsNoSigningKey refuses keys by what Google says of them.
func TestWhatIsNoSigningKey(t *testing.T) {
	for _, c := range []struct {
		name string
		edit func(*kmspb.CryptoKey, *kmspb.CryptoKeyVersion)
		is   error
		says string
	}{
		{"purpose", func(k *kmspb.CryptoKey, _ *kmspb.CryptoKeyVersion) { k.Purpose = kmspb.CryptoKey_ENCRYPT_DECRYPT }, signer.ErrUnsupported, "is for ENCRYPT_DECRYPT, not ASYMMETRIC_SIGN"},
		{"PSS", func(_ *kmspb.CryptoKey, v *kmspb.CryptoKeyVersion) {
			v.Algorithm = kmspb.CryptoKeyVersion_RSA_SIGN_PSS_4096_SHA256
		}, signer.ErrUnsupported, "RSA-PSS alone"},
		{"RSA with SHA-512", func(_ *kmspb.CryptoKey, v *kmspb.CryptoKeyVersion) {
			v.Algorithm = kmspb.CryptoKeyVersion_RSA_SIGN_PKCS1_4096_SHA512
		}, signer.ErrUnsupported, "SHA-512 alone"},
		{"another curve", func(_ *kmspb.CryptoKey, v *kmspb.CryptoKeyVersion) {
			v.Algorithm = kmspb.CryptoKeyVersion_EC_SIGN_SECP256K1_SHA256
		}, signer.ErrUnsupported, "EC_SIGN_SECP256K1_SHA256"},
		{"algorithm and key differ", func(_ *kmspb.CryptoKey, v *kmspb.CryptoKeyVersion) {
			v.Algorithm = kmspb.CryptoKeyVersion_EC_SIGN_P384_SHA384
		}, nil, "holds a key of ECDSA-P256"},
		{"external", func(_ *kmspb.CryptoKey, v *kmspb.CryptoKeyVersion) {
			v.ProtectionLevel = kmspb.ProtectionLevel_EXTERNAL
		}, signer.ErrUnsupported, "outside of Google"},
		{"software", func(_ *kmspb.CryptoKey, v *kmspb.CryptoKeyVersion) {
			v.ProtectionLevel = kmspb.ProtectionLevel_SOFTWARE
		}, nil, "level SOFTWARE, its URI asks for HSM; next: "},
		{"no level", func(_ *kmspb.CryptoKey, v *kmspb.CryptoKeyVersion) { v.ProtectionLevel = 0 }, nil, "PROTECTION_LEVEL_UNSPECIFIED"},
		{"other version", func(_ *kmspb.CryptoKey, v *kmspb.CryptoKeyVersion) { v.Name += "7" }, nil, "answer is about"},
		{"other key", func(k *kmspb.CryptoKey, _ *kmspb.CryptoKeyVersion) { k.Name += "7" }, nil, "answer is about"},
		{"foreign", func(k *kmspb.CryptoKey, _ *kmspb.CryptoKeyVersion) { k.Labels = nil }, nil, "its version must be said; next: "},
		{"another's label", func(k *kmspb.CryptoKey, _ *kmspb.CryptoKeyVersion) { k.Labels[nameLabel] = "de_mo-root" }, signer.ErrNotFound, "is another key's"},
	} {
		t.Run(c.name, func(t *testing.T) {
			fake, s, k, _ := made(t, signer.ECDSAP256)
			fake.Edit(t, k.place.versionName(), c.edit)
			_, err := s.Find(t.Context(), signer.Ref{URI: fake.Ring("room"), Label: "demo/root"})
			refuses(t, err, c.is, c.says)
		})
	}
}

// TestOtherHash: a key has one hash and one padding; asked for another, the key
// refuses and Google is not asked.
func TestOtherHash(t *testing.T) {
	for _, c := range []struct {
		algorithm signer.Algorithm
		opts      crypto.SignerOpts
	}{
		{signer.ECDSAP384, crypto.SHA256},
		{signer.ECDSAP384, crypto.SHA512},
		{signer.ECDSAP256, crypto.SHA384},
		{signer.RSA2048, crypto.SHA512},
		{signer.RSA2048, &rsa.PSSOptions{Hash: crypto.SHA256, SaltLength: rsa.PSSSaltLengthEqualsHash}},
	} {
		fake, _, k, _ := made(t, c.algorithm)
		_, err := k.SignContext(t.Context(), make([]byte, c.opts.HashFunc().Size()), c.opts)
		refuses(t, err, signer.ErrUnsupported, "alone")
		if fake.Calls("AsymmetricSign") != 0 {
			t.Errorf("%s, %s: Google was asked", c.algorithm, c.opts.HashFunc())
		}
	}
}
