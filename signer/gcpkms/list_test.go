package gcpkms

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"officiant/signer"
	"officiant/signer/gcpkms/gcpkmstest"
)

// inARing are keys of all kinds, as their owner may have made of them, and why
// they cannot be used; "": they can.
var inARing = map[string]struct {
	edit func(*kmspb.CryptoKey, *kmspb.CryptoKeyVersion)
	says string
}{
	"demo/a-good":    {func(*kmspb.CryptoKey, *kmspb.CryptoKeyVersion) {}, ""},
	"demo/imported":  {func(_ *kmspb.CryptoKey, v *kmspb.CryptoKeyVersion) { v.ImportJob = "j" }, ""},
	"demo/disabled":  {func(_ *kmspb.CryptoKey, v *kmspb.CryptoKeyVersion) { v.State = kmspb.CryptoKeyVersion_DISABLED }, "is disabled"},
	"demo/destroyed": {func(_ *kmspb.CryptoKey, v *kmspb.CryptoKeyVersion) { v.State = kmspb.CryptoKeyVersion_DESTROYED }, "was destroyed"},
	"demo/pending": {func(_ *kmspb.CryptoKey, v *kmspb.CryptoKeyVersion) {
		v.State = kmspb.CryptoKeyVersion_PENDING_GENERATION
	}, "is still being generated"},
	"demo/pss": {func(_ *kmspb.CryptoKey, v *kmspb.CryptoKeyVersion) {
		v.Algorithm = kmspb.CryptoKeyVersion_RSA_SIGN_PSS_4096_SHA256
	}, "RSA-PSS alone"},
	"demo/ed25519": {func(_ *kmspb.CryptoKey, v *kmspb.CryptoKeyVersion) {
		v.Algorithm = kmspb.CryptoKeyVersion_EC_SIGN_ED25519
	}, "EC_SIGN_ED25519"},
	"demo/external": {func(_ *kmspb.CryptoKey, v *kmspb.CryptoKeyVersion) {
		v.ProtectionLevel = kmspb.ProtectionLevel_EXTERNAL
	}, "outside of Google"},
	"demo/software": {func(_ *kmspb.CryptoKey, v *kmspb.CryptoKeyVersion) {
		v.ProtectionLevel = kmspb.ProtectionLevel_SOFTWARE
	}, "protection=SOFTWARE in the URI"},
	"demo/foreign": {func(k *kmspb.CryptoKey, _ *kmspb.CryptoKeyVersion) { k.Labels = nil }, ""},
}

// TestList: every version of every key for signing, over several pages; those
// that can be used as Find tells them, the others with the reason.
func TestList(t *testing.T) {
	fake := gcpkmstest.New(t)
	s := openQuick(t, fake.Ring("room"))
	versionOf := func(label string) string {
		t.Helper()
		k, err := s.Create(t.Context(), signer.Ref{URI: fake.Ring("room"), Label: label}, signer.Spec{Algorithm: signer.ECDSAP256}, newID(t))
		if err != nil {
			t.Fatal(err)
		}
		return k.Info().Attributes["name"]
	}
	reasons := map[string]string{} // by version; "": usable
	for label, c := range inARing {
		name := versionOf(label)
		fake.Edit(t, name, c.edit)
		reasons[name] = c.says
	}
	rotated := versionOf("demo/rotated")
	reasons[rotated] = ""
	for range 3 { // by its owner
		reasons[fake.AddVersion(t, strings.TrimSuffix(rotated, "/cryptoKeyVersions/1"))] = ""
	}
	fake.Edit(t, versionOf("demo/encrypts"), func(k *kmspb.CryptoKey, _ *kmspb.CryptoKeyVersion) { k.Purpose = kmspb.CryptoKey_ASYMMETRIC_DECRYPT })
	if _, err := openQuick(t, fake.Ring("next-door")).Create(t.Context(), signer.Ref{URI: fake.Ring("next-door"), Label: "demo/elsewhere"}, signer.Spec{Algorithm: signer.ECDSAP256}, newID(t)); err != nil {
		t.Fatal(err)
	}

	before := fake.Calls("ListCryptoKeys")
	listed, err := s.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if n := fake.Calls("ListCryptoKeys") - before; n != 6 {
		t.Errorf("12 keys in %d pages", n)
	}
	if !slices.IsSortedFunc(listed, func(a, b signer.Info) int { return strings.Compare(a.Label, b.Label) }) {
		t.Error("not by label")
	}
	for _, i := range listed {
		name := i.Attributes["name"]
		says, ok := reasons[name]
		delete(reasons, name)
		switch {
		case !ok:
			t.Errorf("%s: listed, or twice", name)
		case says != "":
			if i.Algorithm != "" || i.Grade != signer.Unproven || !strings.Contains(i.Reason, says) || i.Attributes["state"] == "" || i.Device != s.Describe() {
				t.Errorf("%s: %+v, want %q", name, i, says)
			}
		default:
			label := i.Label
			if !strings.Contains(label, "/") {
				label = ""
			}
			k, err := s.Find(t.Context(), signer.Ref{URI: fake.URI(name), Label: label})
			if err != nil {
				t.Error(err)
			} else if !reflect.DeepEqual(k.Info(), i) {
				t.Errorf("%s: listed\n%+v\nfound\n%+v", name, i, k.Info())
			}
		}
	}
	if len(reasons) > 0 {
		t.Errorf("not listed: %v", reasons)
	}
	if fake.Calls("AsymmetricSign") > 0 {
		t.Error("something was signed")
	}
}

// TestListFaults: what concerns one key is said of it; what concerns all ends
// the list, so that a short one never passes for a whole one.
func TestListFaults(t *testing.T) {
	fake, s, k, id := made(t, signer.ECDSAP256)
	for _, method := range []string{"ListCryptoKeys", "ListCryptoKeyVersions", "GetPublicKey"} {
		for fault, says := range map[gcpkmstest.Fault]string{
			gcpkmstest.Throttled: "throttled", gcpkmstest.Unauthenticated: "credentials", gcpkmstest.Cut: "cut", gcpkmstest.Internal: "failed at Google",
		} {
			fake.BreakOnly(method, fault)
			listed, err := s.List(t.Context())
			refuses(t, err, signer.ErrUnavailable, says, method, "next: ")
			if listed != nil {
				t.Errorf("%s: %d keys came with the error", fault, len(listed))
			}
		}
		fake.BreakOnly(method, gcpkmstest.Slow)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		_, err := s.List(ctx)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", method, err)
		}
	}
	fake.BreakOnly("ListCryptoKeys", gcpkmstest.Denied)
	_, err := s.List(t.Context())
	refuses(t, err, signer.ErrUnavailable, "denied", "cloudkms.cryptoKeys.list")
	for method, says := range map[string]string{"ListCryptoKeyVersions": "cloudkms.cryptoKeyVersions.list", "GetPublicKey": "cloudkms.cryptoKeyVersions.viewPublicKey"} {
		fake.BreakOnly(method, gcpkmstest.Denied)
		listed, err := s.List(t.Context())
		if err != nil || len(listed) != 1 || listed[0].Algorithm != "" || !strings.Contains(listed[0].Reason, says) || listed[0].Label != "demo/root" {
			t.Errorf("%s denied: %+v, %v", method, listed, err)
		}
	}
	fake.Break(gcpkmstest.PublicWrongCRC)
	if listed, err := s.List(t.Context()); err != nil || len(listed) != 1 || !strings.Contains(listed[0].Reason, "CRC32C is wrong") || string(listed[0].ID) != string(id[:]) {
		t.Errorf("%+v, %v", listed, err)
	}
	fake.Break(gcpkmstest.Endless)
	listed, err := s.List(t.Context())
	refuses(t, err, nil, "ListCryptoKeys", "no end after 10000")
	if listed != nil {
		t.Errorf("%d keys of a list without an end", len(listed))
	}
	fake.Mend()
	fake.Edit(t, k.place.versionName(), func(_ *kmspb.CryptoKey, v *kmspb.CryptoKeyVersion) { v.Name = "projects/x" })
	_, err = s.List(t.Context())
	refuses(t, err, nil, "the answer is about")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = s.List(t.Context())
	refuses(t, err, signer.ErrUnavailable, "closed")
}

// TestDeadlines: no call outlasts its caller's deadline, and none its own limit.
func TestDeadlines(t *testing.T) {
	fake, s, _, id := made(t, signer.ECDSAP256)
	ref := signer.Ref{URI: fake.Ring("room"), Label: "demo/root"}
	late := signer.Ref{URI: fake.Ring("room"), Label: "demo/late"}
	for method, do := range map[string]func(context.Context) error{
		"GetCryptoKey":        func(ctx context.Context) error { _, err := s.Find(ctx, ref); return err },
		"GetCryptoKeyVersion": func(ctx context.Context) error { _, err := s.FindID(ctx, ref, id); return err },
		"GetPublicKey":        func(ctx context.Context) error { _, err := s.Find(ctx, ref); return err },
		"GetKeyRing": func(ctx context.Context) error {
			_, err := s.Create(ctx, late, signer.Spec{Algorithm: signer.ECDSAP256}, id)
			return err
		},
		"CreateCryptoKey": func(ctx context.Context) error {
			_, err := s.Create(ctx, late, signer.Spec{Algorithm: signer.ECDSAP256}, id)
			return err
		},
	} {
		fake.BreakOnly(method, gcpkmstest.Slow)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		err := do(ctx)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", method, err)
		}
		s.limits.call = 50 * time.Millisecond
		refuses(t, do(t.Context()), signer.ErrUnavailable, "did not answer in time", "next: ")
		s.limits.call = time.Minute
	}
}

// TestDenied: a refusal names the permission that is missing, the making of a
// key ring included.
func TestDenied(t *testing.T) {
	fake := gcpkmstest.New(t)
	s := openQuick(t, fake.Ring("room"))
	create := func() error {
		_, err := s.Create(t.Context(), signer.Ref{URI: fake.Ring("room"), Label: "demo/root"}, signer.Spec{Algorithm: signer.ECDSAP256}, newID(t))
		return err
	}
	fake.BreakOnly("CreateKeyRing", gcpkmstest.Denied)
	refuses(t, create(), signer.ErrUnavailable, "denied", "CreateKeyRing", "cloudkms.keyRings.create", "next: ")
	if fake.Calls("CreateCryptoKey") > 0 {
		t.Error("a key was asked for all the same")
	}
	fake.BreakOnly("CreateCryptoKey", gcpkmstest.Denied)
	refuses(t, create(), signer.ErrUnavailable, "cloudkms.cryptoKeys.create")
	fake.Mend()
	if err := create(); err != nil {
		t.Fatal(err)
	}
	for method, permission := range permissions {
		if !strings.HasPrefix(permission, "cloudkms.") {
			t.Errorf("%s: %s", method, permission)
		}
	}
	for method, permission := range map[string]string{"GetCryptoKey": "cloudkms.cryptoKeys.get", "GetCryptoKeyVersion": "cloudkms.cryptoKeyVersions.get"} {
		fake.BreakOnly(method, gcpkmstest.Denied)
		_, err := s.Find(t.Context(), signer.Ref{URI: fake.Ring("room"), Label: "demo/root"})
		refuses(t, err, signer.ErrUnavailable, "denied", permission)
	}
}

// TestQuiet: nothing is written to stderr, whatever the environment asks for.
func TestQuiet(t *testing.T) {
	t.Setenv("GOOGLE_SDK_GO_LOGGING_LEVEL", "debug")
	path := filepath.Join(t.TempDir(), "stderr")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	stderr := os.Stderr
	os.Stderr = f
	defer func() { os.Stderr = stderr }()
	_, _, k, _ := made(t, signer.ECDSAP256)
	if _, err := signer.Challenge(t.Context(), k, k.Public(), make([]byte, signer.NonceSize)); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(path); err != nil || len(text) > 0 {
		t.Errorf("%v, %s", err, text)
	}
}

// TestRestored: a version that was scheduled for destruction and restored is
// disabled, and works again once it is enabled.
func TestRestored(t *testing.T) {
	fake, s, k, _ := made(t, signer.ECDSAP256)
	state := func(to kmspb.CryptoKeyVersion_CryptoKeyVersionState) {
		fake.Edit(t, k.place.versionName(), func(_ *kmspb.CryptoKey, v *kmspb.CryptoKeyVersion) {
			v.State, v.DestroyTime = to, timestamppb.Now()
		})
	}
	for _, c := range []struct {
		state kmspb.CryptoKeyVersion_CryptoKeyVersionState
		says  string
	}{{kmspb.CryptoKeyVersion_DESTROY_SCHEDULED, "scheduled for destruction"}, {kmspb.CryptoKeyVersion_DISABLED, "is disabled"}, {kmspb.CryptoKeyVersion_ENABLED, ""}} {
		state(c.state)
		_, err := s.Find(t.Context(), signer.Ref{URI: fake.Ring("room"), Label: "demo/root"})
		if c.says == "" && err != nil {
			t.Error(err)
		} else if c.says != "" {
			refuses(t, err, signer.ErrUnavailable, c.says, fmt.Sprintf("%q", "demo/root"))
		}
	}
}
