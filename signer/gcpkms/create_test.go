package gcpkms

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"errors"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"officiant/signer"
	"officiant/signer/gcpkms/gcpkmstest"
)

// TestNames: what a key is called, and that it is found by each of its names.
func TestNames(t *testing.T) {
	fake := gcpkmstest.New(t)
	s := openQuick(t, fake.Ring("room"))
	const ring = "projects/officiant-test/locations/europe-west3/keyRings/room"
	for _, c := range []struct{ uri, label, name, found string }{
		{fake.Ring("room"), "demo/root", ring + "/cryptoKeys/demo-root/cryptoKeyVersions/1", "demo/root"},
		{fake.URI(ring + "/cryptoKeys/root_2026"), "demo/root", ring + "/cryptoKeys/root_2026/cryptoKeyVersions/1", "demo/root"},
		{fake.URI(ring + "/cryptoKeys/Bare"), "", ring + "/cryptoKeys/Bare/cryptoKeyVersions/1", "Bare"},
	} {
		ref, id := signer.Ref{URI: c.uri, Label: c.label}, newID(t)
		k, err := s.Create(t.Context(), ref, signer.Spec{Algorithm: signer.ECDSAP256}, id)
		if err != nil {
			t.Fatal(err)
		}
		exact := signer.Ref{URI: fake.URI(c.name), Label: c.label}
		for what, find := range map[string]func() (signer.Key, error){
			"name":          func() (signer.Key, error) { return s.Find(t.Context(), ref) },
			"version":       func() (signer.Key, error) { return s.Find(t.Context(), exact) },
			"id":            func() (signer.Key, error) { return s.FindID(t.Context(), ref, id) },
			"version by id": func() (signer.Key, error) { return s.FindID(t.Context(), exact, id) },
		} {
			found, err := find()
			if err != nil {
				t.Errorf("by %s: %v", what, err)
				continue
			}
			if i := found.Info(); i.Label != c.found || i.Attributes["name"] != c.name || !bytes.Equal(i.ID, id[:]) || !k.Public().(*ecdsa.PublicKey).Equal(found.Public()) {
				t.Errorf("by %s: %+v", what, i)
			}
		}
		_, err = s.FindID(t.Context(), ref, newID(t))
		refuses(t, err, signer.ErrNotFound, "has another")
		_, err = s.Create(t.Context(), ref, signer.Spec{Algorithm: signer.ECDSAP256}, newID(t))
		refuses(t, err, signer.ErrExists, "next: ")
		_, err = s.Create(t.Context(), exact, signer.Spec{Algorithm: signer.ECDSAP256}, newID(t))
		refuses(t, err, nil, "names a version")
	}
	// "de/mo-root" would be called as "de-mo/root" is: it is not taken for it.
	if _, err := s.Create(t.Context(), signer.Ref{URI: fake.Ring("room"), Label: "de-mo/root"}, signer.Spec{Algorithm: signer.ECDSAP256}, newID(t)); err != nil {
		t.Fatal(err)
	}
	_, err := s.Find(t.Context(), signer.Ref{URI: fake.Ring("room"), Label: "de/mo-root"})
	refuses(t, err, signer.ErrNotFound, "is another key's")
	_, err = s.Create(t.Context(), signer.Ref{URI: fake.Ring("room"), Label: "de/mo-root"}, signer.Spec{Algorithm: signer.ECDSAP256}, newID(t))
	refuses(t, err, signer.ErrExists)
	if n := fake.Calls("CreateKeyRing"); n != 1 {
		t.Errorf("the key ring was made %d times", n)
	}
}

func TestCreateRefuses(t *testing.T) {
	fake := gcpkmstest.New(t)
	s := openQuick(t, fake.Ring("room"))
	ref := signer.Ref{URI: fake.Ring("room"), Label: "demo/root"}
	_, err := s.Create(t.Context(), ref, signer.Spec{Algorithm: signer.ECDSAP521}, newID(t))
	refuses(t, err, signer.ErrUnsupported, "ECDSA-P384")
	_, err = s.Create(t.Context(), ref, signer.Spec{Algorithm: signer.ECDSAP256}, signer.ID{})
	refuses(t, err, nil, "id of zeros")
	for _, uri := range []string{fake.Ring("other"), strings.Replace(fake.Ring("room"), fake.Endpoint(), "127.0.0.1:1", 1)} {
		_, err = s.Create(t.Context(), signer.Ref{URI: uri, Label: "demo/root"}, signer.Spec{Algorithm: signer.ECDSAP256}, newID(t))
		refuses(t, err, nil, "its URI names")
	}
	for fault, says := range map[gcpkmstest.Fault]string{gcpkmstest.Throttled: "throttled", gcpkmstest.Denied: "denied", gcpkmstest.Cut: "cut"} {
		fake.Break(fault)
		_, err = s.Create(t.Context(), ref, signer.Spec{Algorithm: signer.ECDSAP256}, newID(t))
		refuses(t, err, signer.ErrUnavailable, says, "next: ")
	}
	fake.Mend()
	if fake.Calls("CreateCryptoKey") > 1 { // whoever may not see the ring tries to make the key
		t.Errorf("asked %d times for a key", fake.Calls("CreateCryptoKey"))
	}
	_, err = s.Find(t.Context(), ref)
	refuses(t, err, signer.ErrNotFound)
}

// TestPending: Create and Find wait while Google generates, as long as ctx lets
// them; what was made meanwhile is found by its id.
func TestPending(t *testing.T) {
	fake := gcpkmstest.New(t)
	s := openQuick(t, fake.Ring("room"))
	fake.Delay(5)
	ref := signer.Ref{URI: fake.Ring("room"), Label: "demo/root"}
	if _, err := s.Create(t.Context(), ref, signer.Spec{Algorithm: signer.ECDSAP256}, newID(t)); err != nil {
		t.Fatal(err)
	}
	if n := fake.Calls("GetCryptoKeyVersion"); n != 6 {
		t.Errorf("looked %d times", n)
	}
	fake.Delay(1 << 30)
	id := newID(t)
	ref.Label = "demo/late"
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := s.Create(ctx, ref, signer.Spec{Algorithm: signer.ECDSAP256}, id)
	refuses(t, err, signer.ErrUnavailable, "next: ")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	s.limits.generate = 50 * time.Millisecond
	_, err = s.FindID(t.Context(), ref, id)
	refuses(t, err, signer.ErrUnavailable, "next: ")
}

// TestGrades: what a plan's least evidence is compared with.
func TestGrades(t *testing.T) {
	hsm := func() (*kmspb.CryptoKey, *kmspb.CryptoKeyVersion) {
		return &kmspb.CryptoKey{}, &kmspb.CryptoKeyVersion{ProtectionLevel: kmspb.ProtectionLevel_HSM, GenerateTime: timestamppb.Now()}
	}
	for _, c := range []struct {
		name  string
		edit  func(*kmspb.CryptoKey, *kmspb.CryptoKeyVersion)
		clear bool
		want  signer.Grade
	}{
		{"HSM", func(*kmspb.CryptoKey, *kmspb.CryptoKeyVersion) {}, false, signer.Consistent},
		{"single tenant", func(_ *kmspb.CryptoKey, v *kmspb.CryptoKeyVersion) {
			v.ProtectionLevel = kmspb.ProtectionLevel_HSM_SINGLE_TENANT
		}, false, signer.Consistent},
		{"attestation is not verified", func(_ *kmspb.CryptoKey, v *kmspb.CryptoKeyVersion) {
			v.Attestation = &kmspb.KeyOperationAttestation{Content: []byte("x")}
		}, false, signer.Consistent},
		{"in the clear", func(*kmspb.CryptoKey, *kmspb.CryptoKeyVersion) {}, true, signer.Software},
		{"software", func(_ *kmspb.CryptoKey, v *kmspb.CryptoKeyVersion) {
			v.ProtectionLevel = kmspb.ProtectionLevel_SOFTWARE
		}, false, signer.Software},
		{"external", func(_ *kmspb.CryptoKey, v *kmspb.CryptoKeyVersion) {
			v.ProtectionLevel = kmspb.ProtectionLevel_EXTERNAL
		}, false, signer.Unproven},
		{"import job", func(_ *kmspb.CryptoKey, v *kmspb.CryptoKeyVersion) { v.ImportJob = "j" }, false, signer.Unproven},
		{"import time", func(_ *kmspb.CryptoKey, v *kmspb.CryptoKeyVersion) { v.ImportTime = timestamppb.Now() }, false, signer.Unproven},
		{"reimport", func(_ *kmspb.CryptoKey, v *kmspb.CryptoKeyVersion) { v.ReimportEligible = true }, false, signer.Unproven},
		{"import only", func(k *kmspb.CryptoKey, _ *kmspb.CryptoKeyVersion) { k.ImportOnly = true }, false, signer.Unproven},
		{"wrapping", func(_ *kmspb.CryptoKey, v *kmspb.CryptoKeyVersion) { v.TrustedWrappingEnabled = true }, false, signer.Unproven},
		{"not generated", func(_ *kmspb.CryptoKey, v *kmspb.CryptoKeyVersion) { v.GenerateTime = nil }, false, signer.Unproven},
		{"imported, in the clear", func(_ *kmspb.CryptoKey, v *kmspb.CryptoKeyVersion) { v.ImportJob = "j" }, true, signer.Unproven},
	} {
		k, v := hsm()
		c.edit(k, v)
		if got, reason := grade(k, v, c.clear); got != c.want || reason == "" {
			t.Errorf("%s: %s (%s), want %s", c.name, got, reason, c.want)
		}
	}
}

// TestImported: the grade goes all the way to the key, with what it stands on.
func TestImported(t *testing.T) {
	fake, s, k, _ := made(t, signer.ECDSAP256)
	if a := k.Info().Attributes; a["attestation.format"] != "CAVIUM_V2_COMPRESSED" || len(a["attestation.sha256"]) != 64 || a["importJob"] != "absent" {
		t.Errorf("%v", a)
	}
	if i := k.Info(); i.Grade != signer.Software || !i.Device.Software {
		t.Errorf("over plaintext: %s, %+v", i.Grade, i.Device)
	}
	fake.Edit(t, k.place.versionName(), func(_ *kmspb.CryptoKey, v *kmspb.CryptoKeyVersion) { v.ImportJob = "projects/x" })
	found, err := s.Find(t.Context(), signer.Ref{URI: fake.Ring("room"), Label: "demo/root"})
	if err != nil {
		t.Fatal(err)
	}
	if i := found.Info(); i.Grade != signer.Unproven || i.Attributes["importJob"] != "projects/x" {
		t.Errorf("%+v", i)
	}
}

// TestProtection: a software key is made and found by a URI that says so.
func TestProtection(t *testing.T) {
	fake := gcpkmstest.New(t)
	s := openQuick(t, fake.Ring("room"))
	software := signer.Ref{URI: fake.Ring("room") + "&protection=SOFTWARE", Label: "demo/soft"}
	k, err := s.Create(t.Context(), software, signer.Spec{Algorithm: signer.ECDSAP256}, newID(t))
	if err != nil {
		t.Fatal(err)
	}
	if a := k.Info().Attributes; a["protectionLevel"] != "SOFTWARE" || a["attestation.sha256"] != "absent" {
		t.Errorf("%v", a)
	}
	_, err = s.Find(t.Context(), signer.Ref{URI: fake.Ring("room"), Label: "demo/soft"})
	refuses(t, err, nil, "protection=SOFTWARE in the URI")
	hsm := signer.Ref{URI: fake.Ring("room") + "&protection=HSM", Label: "demo/hard"}
	if _, err := s.Create(t.Context(), hsm, signer.Spec{Algorithm: signer.ECDSAP256}, newID(t)); err != nil {
		t.Fatal(err)
	}
	_, err = s.Find(t.Context(), signer.Ref{URI: software.URI, Label: "demo/hard"})
	refuses(t, err, nil, "protection level HSM, its URI asks for SOFTWARE")
}

// TestOpenRefuses: what makes work impossible is told at once.
func TestOpenRefuses(t *testing.T) {
	fake := gcpkmstest.New(t)
	for fault, says := range map[gcpkmstest.Fault]string{
		gcpkmstest.Throttled: "throttled", gcpkmstest.Unauthenticated: "credentials", gcpkmstest.Cut: "cut", gcpkmstest.Internal: "failed at Google",
	} {
		fake.Break(fault)
		_, err := Open(t.Context(), signer.Ref{URI: fake.Ring("room")}, nil)
		refuses(t, err, signer.ErrUnavailable, says, "next: ")
	}
	fake.Break(gcpkmstest.Denied) // of the key ring; a key in it may be allowed
	if s, err := Open(t.Context(), signer.Ref{URI: fake.Ring("room")}, nil); err != nil {
		t.Error(err)
	} else if err := s.Close(); err != nil {
		t.Error(err)
	}
	fake.Mend()
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Open(cancelled, signer.Ref{URI: fake.Ring("room")}, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	// Nobody listens there.
	_, err := Open(t.Context(), signer.Ref{URI: "gcpkms://projects/officiant-test/locations/l/keyRings/r?endpoint=127.0.0.1:1"}, nil)
	refuses(t, err, signer.ErrUnavailable, "offline", "next: ")
}
