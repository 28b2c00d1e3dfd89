package gcpkms

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
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

// TestInterrupted: a key whose making was not answered is found by its id, and is
// not made twice; a key ring is there all the same.
func TestInterrupted(t *testing.T) {
	for _, method := range []string{"CreateKeyRing", "CreateCryptoKey", "GetCryptoKey", "GetPublicKey"} {
		fake := gcpkmstest.New(t)
		ref, id := signer.Ref{URI: fake.Ring("room"), Label: "demo/root"}, newID(t)
		s := openQuick(t, fake.Ring("room"))
		fake.BreakOnly(method, gcpkmstest.LostAnswer)
		_, err := s.Create(t.Context(), ref, signer.Spec{Algorithm: signer.ECDSAP256}, id)
		refuses(t, err, signer.ErrUnavailable, "connection was cut", "next: ")
		fake.Mend()
		again := openQuick(t, fake.Ring("room"))
		k, err := again.FindID(t.Context(), ref, id)
		if method == "CreateKeyRing" {
			refuses(t, err, signer.ErrNotFound)
			k, err = again.Create(t.Context(), ref, signer.Spec{Algorithm: signer.ECDSAP256}, id)
		}
		if err != nil {
			t.Errorf("%s: %v", method, err)
			continue
		}
		if _, err := signer.Challenge(t.Context(), k, k.Public(), make([]byte, signer.NonceSize)); err != nil {
			t.Error(err)
		}
		if n := fake.Calls("CreateCryptoKey"); n != 1 {
			t.Errorf("%s: asked %d times for a key", method, n)
		}
	}
}

// TestGrades: what a plan's least evidence is compared with.
func TestGrades(t *testing.T) {
	type edit = func(*kmspb.CryptoKey, *kmspb.CryptoKeyVersion)
	level := func(l kmspb.ProtectionLevel) edit {
		return func(_ *kmspb.CryptoKey, v *kmspb.CryptoKeyVersion) { v.ProtectionLevel = l }
	}
	software, external := level(kmspb.ProtectionLevel_SOFTWARE), level(kmspb.ProtectionLevel_EXTERNAL)
	imported := func(_ *kmspb.CryptoKey, v *kmspb.CryptoKeyVersion) { v.ImportJob = "j" }
	noRoot, bad := fmt.Errorf("%w: of nobody's", errNoAnchor), errors.New("about another key")
	for _, c := range []struct {
		name     string
		edit     edit
		attested error
		clear    bool
		want     signer.Grade
		says     string
	}{
		{"HSM", func(*kmspb.CryptoKey, *kmspb.CryptoKeyVersion) {}, nil, false, signer.Attested, ""},
		{"single tenant", level(kmspb.ProtectionLevel_HSM_SINGLE_TENANT), nil, false, signer.Attested, ""},
		{"no root", level(kmspb.ProtectionLevel_HSM), noRoot, false, signer.Consistent, "of nobody's; name the maker's and Google's roots: attestation-roots="},
		{"single tenant, no root", level(kmspb.ProtectionLevel_HSM_SINGLE_TENANT), noRoot, false, signer.Consistent, "attestation-roots="},
		{"another's attestation", level(kmspb.ProtectionLevel_HSM), bad, false, signer.Unproven, "proves nothing: about another key"},
		{"no attestation", level(kmspb.ProtectionLevel_HSM), errNoAttestation, false, signer.Unproven, "proves nothing: there is none"},
		{"single tenant, no attestation", level(kmspb.ProtectionLevel_HSM_SINGLE_TENANT), errNoAttestation, false, signer.Unproven, "proves nothing"},
		{"another's, in the clear", level(kmspb.ProtectionLevel_HSM), bad, true, signer.Unproven, "proves nothing"},
		{"in the clear", level(kmspb.ProtectionLevel_HSM), nil, true, signer.Software, "in the clear"},
		{"no root, in the clear", level(kmspb.ProtectionLevel_HSM), noRoot, true, signer.Software, "in the clear"},
		{"software", software, errNoAttestation, false, signer.Software, "Google's software"},
		{"software says it is attested", software, nil, false, signer.Software, "Google's software"},
		{"external", external, nil, false, signer.Unproven, "EXTERNAL"},
		{"no level", level(0), nil, false, signer.Unproven, "UNSPECIFIED"},
		{"import job", imported, nil, false, signer.Unproven, "imported"},
		{"import time", func(_ *kmspb.CryptoKey, v *kmspb.CryptoKeyVersion) { v.ImportTime = timestamppb.Now() }, nil, false, signer.Unproven, "imported"},
		{"reimport", func(_ *kmspb.CryptoKey, v *kmspb.CryptoKeyVersion) { v.ReimportEligible = true }, nil, false, signer.Unproven, "imported"},
		{"import only", func(k *kmspb.CryptoKey, _ *kmspb.CryptoKeyVersion) { k.ImportOnly = true }, nil, false, signer.Unproven, "imported"},
		{"wrapping", func(_ *kmspb.CryptoKey, v *kmspb.CryptoKeyVersion) { v.TrustedWrappingEnabled = true }, nil, false, signer.Unproven, "trustedWrappingEnabled"},
		{"not generated", func(_ *kmspb.CryptoKey, v *kmspb.CryptoKeyVersion) { v.GenerateTime = nil }, nil, false, signer.Unproven, "generateTime"},
		{"imported, in the clear", imported, nil, true, signer.Unproven, "imported"},
	} {
		k, v := &kmspb.CryptoKey{}, &kmspb.CryptoKeyVersion{ProtectionLevel: kmspb.ProtectionLevel_HSM, GenerateTime: timestamppb.Now()}
		c.edit(k, v)
		got, reason := grade(k, v, c.attested, c.clear)
		if got != c.want || !strings.Contains(reason, c.says) || (reason == "") != (got == signer.Attested) {
			t.Errorf("%s: %s (%s), want %s", c.name, got, reason, c.want)
		}
	}
}

// TestAttestation follows an attestation from the service to the key's grade
// and record. The service is taken for one that is reached by TLS.
func TestAttestation(t *testing.T) {
	fake, s, k, _ := made(t, signer.ECDSAP256)
	if i := k.Info(); i.Grade != signer.Software || !i.Device.Software || i.Attributes["importJob"] != "absent" {
		t.Errorf("over plaintext: %s, %+v", i.Grade, i.Device)
	}
	s.address.plaintext = false
	roots := filepath.Join(t.TempDir(), "roots.pem")
	if err := os.WriteFile(roots, gcpkmstest.Roots(), 0o600); err != nil {
		t.Fatal(err)
	}
	find := func(query string) signer.Info {
		t.Helper()
		k, err := s.Find(t.Context(), signer.Ref{URI: fake.Ring("room") + query, Label: "demo/root"})
		if err != nil {
			t.Fatal(err)
		}
		return k.Info()
	}
	if i := find(""); i.Grade != signer.Consistent || !strings.Contains(i.Reason, "no root that is known") || i.Attributes["attestation.roots"] != builtInRoots(t).String() {
		t.Errorf("without its roots: %s (%s)", i.Grade, i.Reason)
	}
	s.roots = fakeRoots(t)
	if i := find(""); i.Grade != signer.Attested || i.Reason != "" {
		t.Errorf("with roots beside those built in: %s (%s)", i.Grade, i.Reason)
	}
	s.roots = nil
	query := "&attestation-roots=" + roots
	i := find(query)
	if i.Grade != signer.Attested || i.Reason != "" || i.Attributes["attestation.result"] != "verified" || i.Attributes["attestation.roots"] != fakeRoots(t).String() {
		t.Errorf("%s (%s): %s", i.Grade, i.Reason, i.Attributes["attestation.result"])
	}
	recorded(t, i, k.Public())
	for fault, says := range map[gcpkmstest.Fault]string{
		gcpkmstest.AttestMissing: "there is none", gcpkmstest.AttestNoChains: "caviumCerts has 0 certificates", gcpkmstest.AttestTruncated: "not gzip",
		gcpkmstest.AttestBadSignature: "signature is by none of the maker's", gcpkmstest.AttestOther: "about another key",
		gcpkmstest.AttestExtractable: "CKA_EXTRACTABLE", gcpkmstest.AttestImported: "CKA_LOCAL",
	} {
		fake.Break(fault)
		// This is what a ceremony refuses a key by.
		if i := find(query); i.Grade.AtLeast(signer.Software) || !strings.Contains(i.Reason, says) {
			t.Errorf("%s: %s (%s)", fault, i.Grade, i.Reason)
		}
	}
	fake.Mend()
	fake.Edit(t, k.place.versionName(), func(_ *kmspb.CryptoKey, v *kmspb.CryptoKeyVersion) { v.ImportJob = "projects/x" })
	if i := find(query); i.Grade != signer.Unproven || i.Attributes["importJob"] != "projects/x" {
		t.Errorf("imported: %s (%s)", i.Grade, i.Reason)
	}
}

// recorded verifies an attestation with nothing but the record of its key, as
// an auditor does.
func recorded(t *testing.T, i signer.Info, pub crypto.PublicKey) {
	t.Helper()
	decode := func(name string) (out []string) {
		for _, word := range strings.Fields(i.Attributes["attestation."+name]) {
			der, err := base64.StdEncoding.DecodeString(word)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			out = append(out, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
		}
		return out
	}
	content, err := base64.StdEncoding.DecodeString(i.Attributes["attestation.content"])
	if err != nil || sha256Hex(content) != i.Attributes["attestation.sha256"] {
		t.Errorf("content: %v, or another SHA-256", err)
	}
	format := kmspb.KeyOperationAttestation_AttestationFormat_value[i.Attributes["attestation.format"]]
	err = attest(&kmspb.CryptoKeyVersion{Attestation: &kmspb.KeyOperationAttestation{
		Format: kmspb.KeyOperationAttestation_AttestationFormat(format), Content: content,
		CertChains: &kmspb.KeyOperationAttestation_CertificateChains{
			CaviumCerts: decode("caviumCerts"), GoogleCardCerts: decode("googleCardCerts"), GooglePartitionCerts: decode("googlePartitionCerts"),
		},
	}}, pub, fakeRoots(t), map[string]string{})
	if err != nil {
		t.Errorf("from the record: %v", err)
	}
	for name, value := range i.Attributes {
		if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' }) {
			t.Errorf("%s: a control character", name)
		}
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
	fake.Break(gcpkmstest.SwitchedOff)
	_, err := Open(t.Context(), signer.Ref{URI: fake.Ring("room")}, nil)
	refuses(t, err, signer.ErrUnavailable, "GetKeyRing",
		"the Cloud KMS API is switched off in the project; next: gcloud services enable cloudkms.googleapis.com")
	fake.Mend()
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Open(cancelled, signer.Ref{URI: fake.Ring("room")}, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	// Nobody listens there.
	_,
		err = Open(t.Context(),
		signer.Ref{URI: "gcpkms://projects/officiant-test/locations/l/keyRings/r?endpoint=127.0.0.1:1"}, nil)
	refuses(t, err, signer.ErrUnavailable, "offline", "next: ")
}
